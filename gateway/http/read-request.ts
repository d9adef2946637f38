/**
 * Reads a request within its row's bounds. In: a request and the row's cap and schemas. Out: the body's bytes and the
 * values that the schemas made of path, query and body. Refuses other content types, bodies over the cap before they are
 * whole, parameters given twice, and every field that a schema does not know; no value is repeated in the reason.
 */
import type { z } from 'zod'
import type { DoorRefused, Issue } from './refused.ts'

/** Enough to mend a form in one go, too few to be a way to fill logs. */
const MOST_ISSUES = 20
/** What a field name looks like; anything else that was sent as one may be a secret, and is not repeated. */
const FIELD_NAME = /^[A-Za-z]{1,32}$/

export interface ReadBody {
  readonly bytes: Buffer
}

/** The whole body, or the refusal. A body where none is taken counts as too large. */
export async function readBody(request: Request, cap: number): Promise<ReadBody | DoorRefused> {
  const declared = Number(request.headers.get('content-length') ?? 0)
  // Asked this way round, a length that is not a number is refused too.
  if (!(declared <= cap)) return { refused: 'too-large', cap }
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body ?? []) {
    size += chunk.length
    if (size > cap) return { refused: 'too-large', cap }
    chunks.push(chunk)
  }
  return { bytes: Buffer.concat(chunks) }
}

/** JSON of the row's shape. A body left out counts as `{}`: several verbs have nothing they must be told. */
export function parseBody<T>(
  request: Request,
  body: ReadBody,
  schema: z.ZodType<T> | null,
): { readonly value: T | null } | DoorRefused {
  if (schema === null) {
    return body.bytes.length === 0 ? { value: null } : unreadable('', 'is given, but nothing is taken here')
  }
  if (body.bytes.length > 0 && !isJson(request.headers.get('content-type')))
    return { refused: 'content-type' }
  const value = body.bytes.length === 0 ? {} : jsonOf(body.bytes)
  return value === undefined ? unreadable('', 'is not JSON in UTF-8') : parse(schema, value)
}

/** One value a name: which of two would count is a guess that two programs make differently. */
export function parseQuery<T>(url: URL, schema: z.ZodType<T>): { readonly value: T } | DoorRefused {
  const query: Record<string, string> = {}
  for (const [name, value] of url.searchParams) {
    if (Object.hasOwn(query, name)) return unreadable(nameOf(name), 'is given twice')
    query[name] = value
  }
  return parse(schema, query)
}

export function parse<T>(schema: z.ZodType<T>, value: unknown): { readonly value: T } | DoorRefused {
  const read = schema.safeParse(value)
  if (read.success) return { value: read.data }
  return { refused: 'unreadable', issues: read.error.issues.slice(0, MOST_ISSUES).flatMap(shown) }
}

function shown(issue: z.core.$ZodIssue): Issue[] {
  const path = issue.path.map((part) => (typeof part === 'number' ? String(part) : nameOf(String(part))))
  if (issue.code !== 'unrecognized_keys') return [{ path: path.join('.'), message: issue.message }]
  return issue.keys
    .slice(0, MOST_ISSUES)
    .map((key) => ({ path: [...path, nameOf(key)].join('.'), message: 'is not a field here' }))
}

function nameOf(name: string): string {
  return FIELD_NAME.test(name) ? name : '(unknown)'
}

function unreadable(path: string, message: string): DoorRefused {
  return { refused: 'unreadable', issues: [{ path, message }] }
}

function isJson(contentType: string | null): boolean {
  return /^application\/json\s*(?:;\s*charset="?utf-8"?\s*)?$/i.test(contentType ?? '')
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown
  } catch {
    return undefined
  }
}
