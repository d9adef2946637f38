/**
 * Requests that nobody means: genuine ones, bent. In: fast-check's choices. Out: bytes for a socket, from every source, with
 * headers dropped, doubled and renamed, bodies cut, spliced and signed anew, lengths that lie. Refuses nothing; the other
 * side must.
 */
import fc from 'fast-check'
import type { Line } from '../support/ingress.ts'
import type { Signed, Vendor } from './vendors.ts'

export interface Aim {
  readonly from: Vendor
  readonly line: Line
}

export interface Shot {
  readonly bytes: Buffer
  /** Whether it is all there by its own account; if not, no answer may come before we hang up. */
  readonly isWhole: boolean
}

interface Draft {
  method: string
  target: string
  headers: [string, string][]
  body: Buffer
  /** Declared; undefined declares what there is. */
  length: number | undefined
  chunked: boolean
}

type Bend = (draft: Draft, aim: Aim) => void

const NAMES = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'content-type',
  'content-length',
  'transfer-encoding',
  'expect',
  'upgrade',
  'connection',
  'x-slack-signature',
  'x-slack-request-timestamp',
  'x-hub-signature-256',
  'x-github-delivery',
  'x-github-event',
  'stripe-signature',
  'webhook-signature',
  'svix-id',
  'x-signature',
  'x-signature-ed25519',
  'x-telegram-bot-api-secret-token',
  'x-forwarded-for',
  'x-original-url',
]
const VALUES = [
  '',
  ' ',
  '0',
  '-1',
  '1e309',
  'NaN',
  '9'.repeat(400),
  '__proto__',
  'v0=',
  'v1,',
  't=1,v1=',
  'sha256=',
  'chunked',
  '100-continue',
  'websocket',
  'text/html',
  'application/json',
  'application/x-www-form-urlencoded',
  'a'.repeat(4_000),
  'é\u00ff',
  ',,,,,,,,',
]
const MEMBERS = [
  '__proto__',
  'constructor',
  'type',
  'team_id',
  'event',
  'event_id',
  'body',
  'workspaceId',
  'payload',
  'challenge',
  'authorizations',
  'update_id',
  'message',
  'data',
  'member',
  'repository',
  'account',
  'id',
  'kind',
]

const anyName = fc.constantFrom(...NAMES)
const anyValue = fc.oneof(
  fc.constantFrom(...VALUES),
  // Visible ASCII: what HTTP's own parser refuses is not what is tried here.
  fc.string({
    unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
    maxLength: 200,
  }),
)
const whole = fc.double({ min: 0, max: 1, noNaN: true })

const bends: fc.Arbitrary<Bend> = fc.oneof(
  fc.tuple(whole).map(([at]) => dropped(at)),
  fc.tuple(whole).map(([at]) => doubled(at)),
  fc.tuple(whole, anyName).map(([at, name]) => renamed(at, name)),
  fc.tuple(whole, anyValue).map(([at, value]) => revalued(at, value)),
  fc.tuple(anyName, anyValue).map(([name, value]) => added(name, value)),
  fc.tuple(whole, fc.uint8Array({ maxLength: 64 })).map(([at, bytes]) => spliced(at, bytes)),
  fc.tuple(whole).map(([at]) => cut(at)),
  fc.json({ maxDepth: 6 }).map((text) => signedAnew(() => text)),
  fc
    .tuple(fc.constantFrom(...MEMBERS), fc.json({ maxDepth: 3 }))
    .map(([name, text]) => signedAnew(withMember(name, text))),
  fc.string({ unit: 'binary', maxLength: 300 }).map((text) => signedAnew(() => text)),
  fc
    .array(fc.tuple(fc.constantFrom(...MEMBERS), fc.string({ maxLength: 20 })), { maxLength: 12 })
    .map((pairs) => {
      return signedAnew(() => new URLSearchParams(pairs).toString())
    }),
  fc
    .integer({ min: 1, max: 300 })
    .map((depth) => signedAnew(() => '{"a":'.repeat(depth) + '1' + '}'.repeat(depth))),
  fc.integer({ min: -20, max: 2_000_000 }).map((by) => misdeclared(by)),
  fc.constant<Bend>((draft) => void (draft.chunked = true)),
  fc.constantFrom('GET', 'PUT', 'HEAD', 'OPTIONS', 'post', 'PROPFIND', 'PURGE').map((method): Bend => {
    return (draft) => void (draft.method = method)
  }),
  fc
    .constantFrom('?', '?a=b', '/', '/..', '%00', '#x', '?__proto__=1', '//', `?${'q'.repeat(3_000)}`)
    .map((end): Bend => {
      return (draft) => void (draft.target += end)
    }),
  fc.integer({ min: 1, max: 150 }).map((count): Bend => {
    return (draft) => {
      for (let n = 0; n < count; n++) draft.headers.push([`x-pad-${n}`, String(n)])
    }
  }),
)

/** A choice of one aim and up to five ways to bend its request. */
export function mutated(aims: readonly Aim[]): fc.Arbitrary<Shot> {
  const of = fc.constantFrom(...aims)
  return fc
    .tuple(of, fc.nat({ max: 1_000_000 }), fc.array(bends, { minLength: 1, maxLength: 5 }))
    .map(([aim, n, bent]) => {
      const signed = aim.from.says({ n })
      const draft = drafted(aim, signed)
      for (const bend of bent) bend(draft, aim)
      return written(draft)
    })
}

function drafted({ line }: Aim, { headers, body }: Signed): Draft {
  const bytes = Buffer.from(body)
  return {
    method: 'POST',
    target: line.path,
    headers: Object.entries(headers),
    body: bytes,
    length: undefined,
    chunked: false,
  }
}

function written({ method, target, headers, body, length, chunked }: Draft): Shot {
  const framing = chunked ? 'transfer-encoding: chunked' : `content-length: ${length ?? body.length}`
  const lines = headers.map(([name, value]) => `${name}: ${value}`)
  const head = [
    `${method} ${target} HTTP/1.1`,
    'host: gate',
    ...lines,
    framing,
    'connection: close',
    '',
    '',
  ].join('\r\n')
  const chunk =
    body.length === 0 ? [] : [Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n')]
  const rest = chunked ? [...chunk, Buffer.from('0\r\n\r\n')] : [body]
  const lies = headers.some(([name]) =>
    /^(content-length|transfer-encoding|expect|upgrade|connection)$/i.test(name),
  )
  const bytes = Buffer.concat([Buffer.from(head, 'latin1'), ...rest])
  return { bytes, isWhole: !lies && (chunked || (length ?? body.length) <= body.length) }
}

function indexAt(at: number, length: number): number {
  return Math.min(length - 1, Math.floor(at * length))
}

function dropped(at: number): Bend {
  return ({ headers }) => void headers.splice(indexAt(at, headers.length), 1)
}

function doubled(at: number): Bend {
  return ({ headers }) => {
    const header = headers[indexAt(at, headers.length)]
    if (header !== undefined) headers.push([header[0].toUpperCase(), header[1]])
  }
}

function renamed(at: number, name: string): Bend {
  return ({ headers }) => {
    const header = headers[indexAt(at, headers.length)]
    if (header !== undefined) header[0] = name
  }
}

function revalued(at: number, value: string): Bend {
  return ({ headers }) => {
    const header = headers[indexAt(at, headers.length)]
    if (header !== undefined) header[1] = value
  }
}

function added(name: string, value: string): Bend {
  return ({ headers }) => void headers.push([name, value])
}

function spliced(at: number, bytes: Uint8Array): Bend {
  return (draft) => {
    const point = indexAt(at, draft.body.length + 1)
    draft.body = Buffer.concat([draft.body.subarray(0, point), bytes, draft.body.subarray(point)])
  }
}

function cut(at: number): Bend {
  return (draft) => void (draft.body = draft.body.subarray(0, Math.floor(at * draft.body.length)))
}

/** A body that is not what the vendor sends, under a signature that is good: what stands behind proof is tried too. */
function signedAnew(change: (body: string) => string): Bend {
  return (draft, { from }) => {
    const { headers, body } = from.signs(change(draft.body.toString('utf8')).toWellFormed())
    draft.headers = Object.entries(headers)
    draft.body = Buffer.from(body)
  }
}

function withMember(name: string, value: string): (body: string) => string {
  return (body) => {
    const end = body.lastIndexOf('}')
    return end < 0 ? value : `${body.slice(0, end)},${JSON.stringify(name)}:${value}}`
  }
}

function misdeclared(by: number): Bend {
  return (draft) => void (draft.length = Math.max(0, draft.body.length + by))
}
