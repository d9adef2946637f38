/**
 * Headers as they may have been before a proxy or a recorder touched them. In: a request, every header it came with and
 * which one was refused. Out: requests with that header put right, in as many steps as it takes. Refuses nothing; no
 * header's value is ever shown.
 */
import type { RawRequest } from '../source.ts'
import type { Suspicion } from './suspicion.ts'

/** Headers put right one after the other: the longest claim reads four. */
const REPAIRS_CAP = 6

export type HeaderList = readonly (readonly [name: string, value: string])[]

/** The header that a request is refused for; undefined when its claim can be read. */
type Refused = (request: RawRequest) => string | undefined

/** Requests whose refused headers were put right, as far as that goes. */
export function headerSuspicions(
  request: RawRequest,
  came: HeaderList,
  refused: Refused,
): readonly Suspicion[] {
  return REPAIRS.flatMap(({ what, says, next, repair }) => {
    const repaired: string[] = []
    let now = request
    for (let i = 0; i < REPAIRS_CAP; i++) {
      const header = refused(now)
      if (header === undefined) break
      const value = repair(header, came)
      if (value === undefined || repaired.includes(header)) return []
      repaired.push(header)
      now = { ...now, headers: new Map([...now.headers, [header, value]]) }
    }
    if (repaired.length === 0) return []
    return [{ what, evidence: `${repaired.join(', ')} ${says}`, next, request: now }]
  })
}

interface Repair {
  readonly what: string
  readonly says: string
  readonly next: string
  readonly repair: (header: string, came: HeaderList) => string | undefined
}

const REPAIRS: readonly Repair[] = [
  {
    what: 'header-duplicated',
    says: 'came more than once; the first one is meant',
    next: 'let only one stand: of a header that comes twice the gate takes neither',
    repair: (header, came) => twice(header, came)?.at(0),
  },
  {
    what: 'header-duplicated',
    says: 'came more than once; the last one is meant',
    next: 'let only one stand: of a header that comes twice the gate takes neither',
    repair: (header, came) => twice(header, came)?.at(-1),
  },
  {
    what: 'header-duplicated',
    says: 'was joined from several, with commas',
    next: 'something on the way adds the header again and joins both; let only one stand',
    repair: (header, came) => joined(header, came),
  },
  {
    what: 'header-renamed',
    says: 'came under another name',
    next: 'let the proxy pass headers on under their own names',
    repair: (header, came) => renamed(header, came)?.[1],
  },
  {
    what: 'header-rewritten',
    says: 'came with quotation marks, spaces or percent-encoding that is not its own',
    next: 'let the proxy pass header values on unchanged',
    repair: (header, came) => cleaned(header, came),
  },
]

/** The name under which a missing header seems to have come. */
export function renamed(header: string, came: HeaderList): readonly [string, string] | undefined {
  return came.find(([name]) => name.toLowerCase() !== header && squashed(name) === squashed(header))
}

function squashed(name: string): string {
  return name
    .toLowerCase()
    .replace(/^(http[-_]|x-amzn-remapped-|x-forwarded-|x-original-)/, '')
    .replace(/^x[-_]/, '')
    .replaceAll(/[^a-z0-9]/g, '')
}

function twice(header: string, came: HeaderList): readonly string[] | undefined {
  const values = valuesOf(header, came)
  return values.length > 1 ? values : undefined
}

function joined(header: string, came: HeaderList): string | undefined {
  const [first, ...rest] = valuesOf(header, came)[0]?.split(/,\s*/) ?? []
  return rest.length > 0 && rest.every((part) => part === first) ? first : undefined
}

function cleaned(header: string, came: HeaderList): string | undefined {
  const [value] = valuesOf(header, came)
  if (value === undefined) return undefined
  const bare = value.trim().replace(/^(["'<])(.*)(["'>])$/s, '$2')
  const decoded = /%[0-9a-f]{2}/i.test(bare) ? unescaped(bare) : bare
  return decoded === value ? undefined : decoded
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function valuesOf(header: string, came: HeaderList): readonly string[] {
  return came.filter(([name]) => name.toLowerCase() === header).map(([, value]) => value)
}
