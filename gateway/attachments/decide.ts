/**
 * Decides whether a fetched file may be handed on. In: its bytes, and the type and size that the vendor declared. Out: a
 * verdict with the reason. Refuses what machines run, whatever it is declared as, Office files with macros in them, and
 * bytes that are not of the family that was declared: a page that is called a picture is there to be opened as one.
 */
import { type Family, type Format, formatOf } from './signature.ts'

export interface Declared {
  readonly contentType?: string | undefined
  readonly size?: number | undefined
}

export type Rule = 'as-declared' | 'undeclared' | 'executable' | 'macros' | 'type-mismatch' | 'size-mismatch'

export interface Verdict {
  readonly verdict: 'allow' | 'deny'
  readonly rule: Rule | 'decider-failed'
  readonly reason: string
}

/** Names of parts stand in a ZIP as they are, whatever is packed in them. */
const MACROS = Buffer.from('vbaProject.bin')

/** Families whose bytes must be what they are declared as. A sound may come in a container for films. */
const STRICT: Readonly<Record<string, readonly Family[]>> = {
  image: ['image'],
  audio: ['audio', 'video'],
  video: ['video'],
}

/** Never throws: a file that cannot be judged is refused. */
export function decide(bytes: Buffer, declared: Declared): Verdict {
  try {
    return judge(bytes, declared)
  } catch {
    return deny('decider-failed', 'the file could not be judged')
  }
}

function judge(bytes: Buffer, { contentType, size }: Declared): Verdict {
  if (size !== undefined && size !== bytes.length)
    return deny('size-mismatch', `it has ${bytes.length} bytes, and ${size} were declared`)
  const format = formatOf(bytes)
  if (format?.family === 'executable') return deny('executable', `it is executable (${format.format})`)
  if (format?.format === 'ZIP' && bytes.includes(MACROS))
    return deny('macros', 'it is an Office file with macros')
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase()
  if (type === undefined || type === '') return allow('undeclared', 'nothing was declared')
  return isAsDeclared(type, format)
    ? allow('as-declared', 'it is what was declared')
    : deny(
        'type-mismatch',
        `it was declared as ${family(type)} and is ${format?.format ?? 'of no such format'}`,
      )
}

function isAsDeclared(type: string, format: Format | undefined): boolean {
  // A drawing declared as one is markup, and is handed on as bytes to save, never to show.
  if (type === 'image/svg+xml') return format?.family === 'markup'
  if (type === 'application/pdf') return format?.format === 'PDF'
  const families = STRICT[type.split('/', 1)[0] ?? '']
  return families === undefined || (format !== undefined && families.includes(format.family))
}

/** The declared type is the vendor's text: only the families that are known here are repeated. */
function family(type: string): string {
  const [first = ''] = type.split('/', 1)
  return Object.hasOwn(STRICT, first) ? first : 'a document'
}

function allow(rule: Rule, reason: string): Verdict {
  return { verdict: 'allow', rule, reason }
}

function deny(rule: Verdict['rule'], reason: string): Verdict {
  return { verdict: 'deny', rule, reason }
}
