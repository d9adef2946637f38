/**
 * JSON as other programs would have written it. In: the bytes of a body. Out: the same values in the layouts and
 * escapes of common writers, each with its name. Refuses what is not JSON by answering nothing; numbers, order and
 * doubled names stay as they stand, since only the text between and the escapes inside are written anew.
 */

/** Above this only layouts are tried: every escape style would be a copy of the whole body. */
const STYLES_CAP = 256 * 1024

export interface Written {
  readonly says: string
  readonly text: string
}

interface Layout {
  readonly says: string
  readonly comma: string
  readonly colon: string
  /** Undefined writes everything on one line. */
  readonly indent?: string
}

const LAYOUTS: readonly Layout[] = [
  { says: 'minified', comma: ',', colon: ':' },
  { says: 'on one line with spaces', comma: ', ', colon: ': ' },
  { says: 'indented by two spaces', comma: ',', colon: ': ', indent: '  ' },
  { says: 'indented by four spaces', comma: ',', colon: ': ', indent: '    ' },
  { says: 'indented by tabs', comma: ',', colon: ': ', indent: '\t' },
]

interface Style {
  readonly says: string
  write(literal: string): string
}

const ASCII_ONLY = /[^\x00-\x7e]/g // oxlint-disable-line no-control-regex -- all of ASCII is meant
const HTML = /[<>&\u2028\u2029]/g
const HTML_AND_QUOTES = /[<>&'+`\u007f-\uffff]/g

/** Names are of the writers that are known for it. */
const STYLES: readonly Style[] = [
  { says: 'escapes as they stand', write: (literal) => literal },
  { says: 'characters unescaped', write: plain },
  { says: 'non-ASCII as \\uXXXX', write: (literal) => plain(literal).replace(ASCII_ONLY, lowerEscape) },
  {
    says: 'non-ASCII as \\uXXXX and slashes as \\/ (as PHP writes)',
    write: (literal) => plain(literal).replaceAll('/', '\\/').replace(ASCII_ONLY, lowerEscape),
  },
  { says: 'slashes as \\/', write: (literal) => plain(literal).replaceAll('/', '\\/') },
  {
    says: '<, > and & as \\uXXXX (as Go writes)',
    write: (literal) => plain(literal).replace(HTML, lowerEscape),
  },
  {
    says: 'non-ASCII and HTML as \\uXXXX in capitals (as .NET writes)',
    write: (literal) => plain(literal).replaceAll('\\"', '\\u0022').replace(HTML_AND_QUOTES, upperEscape),
  },
]

/** String, mark, or word; white space between falls away. */
const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g

/** Every way of writing it that differs from `body`; nothing for what is no JSON. */
export function rewritten(body: Buffer): readonly Written[] {
  const tokens = tokensOf(body)
  if (tokens === undefined) return []
  const styles = body.length > STYLES_CAP ? STYLES.slice(0, 1) : STYLES
  const before = body.toString('utf8')
  const seen = new Set([before])
  return styles.flatMap((style) => {
    const styled = tokens.map((token) => (token.startsWith('"') ? style.write(token) : token))
    return LAYOUTS.flatMap((layout) => {
      const text = laidOut(styled, layout)
      const says = style.says === 'escapes as they stand' ? layout.says : `${layout.says}, ${style.says}`
      return [
        { says, text },
        { says: `${says}, with a line break at its end`, text: `${text}\n` },
      ].filter((one) => !seen.has(one.text) && seen.add(one.text))
    })
  })
}

/** Whether objects stand with their names in alphabetical order: a writer that sorts has lost the sender's order. */
export function isSorted(body: Buffer): boolean {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
    const names = Object.keys(value)
    return names.length > 2 && names.every((name, i) => i === 0 || (names[i - 1] ?? '') <= name)
  } catch {
    return false
  }
}

function tokensOf(body: Buffer): readonly string[] | undefined {
  const text = body.toString('utf8')
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (text.match(TOKENS) ?? []) : undefined
  } catch {
    return undefined
  }
}

function laidOut(tokens: readonly string[], { comma, colon, indent }: Layout): string {
  let depth = 0
  const line = (): string => (indent === undefined ? '' : `\n${indent.repeat(depth)}`)
  const out: string[] = []
  for (const [i, token] of tokens.entries()) {
    if (token === '{' || token === '[') {
      depth++
      out.push(token, isClosing(tokens[i + 1]) ? '' : line())
    } else if (isClosing(token)) {
      depth--
      out.push(isOpening(tokens[i - 1]) ? '' : line(), token)
    } else if (token === ',') out.push(comma, line())
    else out.push(token === ':' ? colon : token)
  }
  return out.join('')
}

function isOpening(token: string | undefined): boolean {
  return token === '{' || token === '['
}

function isClosing(token: string | undefined): boolean {
  return token === '}' || token === ']'
}

/** The literal with nothing escaped that need not be. */
function plain(literal: string): string {
  return JSON.stringify(JSON.parse(literal))
}

function lowerEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

function upperEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`
}
