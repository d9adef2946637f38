/**
 * Bodies as they may have been before something rewrote them. In: a request. Out: the request with each body that
 * frameworks, proxies and recorders are known to turn into this one. Refuses nothing: a body in no known form gets the
 * changes that any text can suffer.
 */
import { fromBase64 } from '@gatehouse/proof/bytes.ts'
import type { RawRequest } from '../source.ts'
import { rewritten } from './json-text.ts'
import type { Suspicion } from './suspicion.ts'

/** Largest body that is written anew; each try is a copy and a MAC. */
const BODY_CAP = 4 * 1024 * 1024

const BOM = Buffer.from([0xef, 0xbb, 0xbf])
const REWRITTEN =
  'hand the gate the bytes as they came: something on the way parses the body and writes it anew'
const LINES = 'hand the gate the bytes as they came: something on the way changes line breaks or white space'
const ENCODED = 'record and pass on bytes, not text: the body was read in one encoding and written in another'

interface Change {
  readonly what: string
  readonly says: string
  readonly next: string
  readonly body: Buffer
}

export function bodySuspicions(request: RawRequest): readonly Suspicion[] {
  const { body } = request
  if (body.length === 0 || body.length > BODY_CAP) return []
  return [...textChanges(body), ...encodingChanges(body), ...jsonChanges(body), ...formChanges(body)]
    .filter((change) => !change.body.equals(body))
    .map((change) => ({
      what: change.what,
      evidence: `${body.length} bytes were recorded; ${change.body.length} bytes, ${change.says}, are what was signed`,
      next: change.next,
      request: { ...request, body: change.body },
    }))
}

function textChanges(body: Buffer): readonly Change[] {
  const text = body.toString('latin1')
  const change = (says: string, changed: string): Change => {
    return { what: 'body-whitespace', says, next: LINES, body: Buffer.from(changed, 'latin1') }
  }
  return [
    change('with a line break at the end', `${text}\n`),
    change('with CR LF at the end', `${text}\r\n`),
    change('without line breaks at the end', text.replace(/[\r\n]+$/, '')),
    change('without white space around it', text.trim()),
    change('with LF for CR LF', text.replaceAll('\r\n', '\n')),
    change('with CR LF for LF', text.replaceAll(/\r?\n/g, '\r\n')),
  ]
}

function encodingChanges(body: Buffer): readonly Change[] {
  const change = (says: string, changed: Buffer | undefined): readonly Change[] =>
    changed === undefined ? [] : [{ what: 'body-encoding', says, next: ENCODED, body: changed }]
  const text = body.toString('utf8')
  return [
    ...change('without a byte order mark', body.subarray(0, 3).equals(BOM) ? body.subarray(3) : undefined),
    ...change('with a byte order mark', Buffer.concat([BOM, body])),
    ...change('as Latin-1', Buffer.from(text, 'latin1')),
    ...change('as UTF-8 of Latin-1', Buffer.from(body.toString('latin1'), 'utf8')),
    ...change('out of base64', fromBase64(text.trim())),
    ...change('out of the JSON string it stands in', unwrapped(text)),
  ]
}

function unwrapped(text: string): Buffer | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'string' ? Buffer.from(value, 'utf8') : undefined
  } catch {
    return undefined
  }
}

function jsonChanges(body: Buffer): readonly Change[] {
  return rewritten(body).map(({ says, text }) => {
    return {
      what: 'body-reserialised',
      says: `JSON ${says}`,
      next: REWRITTEN,
      body: Buffer.from(text, 'utf8'),
    }
  })
}

/** Percent-encoding as common writers do it: which characters stay, and how a space is written. */
const FORMS: readonly { readonly says: string; readonly write: (text: string) => string }[] = [
  {
    says: 'a form as browsers write it',
    write: (text) => kept(text, /[!'()~]/g).replaceAll('%20', '+'),
  },
  { says: 'a form with every mark escaped', write: (text) => kept(text, /[!'()*]/g).replaceAll('%20', '+') },
  { says: 'a form with spaces as %20', write: (text) => kept(text, /[!'()*]/g) },
  { says: 'a form as encodeURIComponent writes it', write: (text) => encodeURIComponent(text) },
]

function formChanges(body: Buffer): readonly Change[] {
  const pairs = pairsOf(body.toString('utf8'))
  if (pairs === undefined) return []
  return FORMS.flatMap(({ says, write }) => {
    const text = pairs.map((pair) => pair.map(write).join('=')).join('&')
    const lower = text.replaceAll(/%[0-9A-F]{2}/g, (escaped) => escaped.toLowerCase())
    return [
      { what: 'body-reserialised', says, next: REWRITTEN, body: Buffer.from(text) },
      { what: 'body-reserialised', says: `${says}, in small hex`, next: REWRITTEN, body: Buffer.from(lower) },
    ]
  })
}

/** Names and values, decoded; undefined for what is no form. */
function pairsOf(text: string): readonly (readonly string[])[] | undefined {
  if (!/^[^=&{[\s]+=/.test(text)) return undefined
  try {
    return text.split('&').map((pair) => {
      const at = pair.indexOf('=')
      const parts = at < 0 ? [pair] : [pair.slice(0, at), pair.slice(at + 1)]
      return parts.map((part) => decodeURIComponent(part.replaceAll('+', ' ')))
    })
  } catch {
    return undefined
  }
}

function kept(text: string, marks: RegExp): string {
  return encodeURIComponent(text).replace(
    marks,
    (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  )
}
