/**
 * Requests that two servers could read in two ways, and connections that hold a place. In: a signed delivery and where it
 * goes. Out: shapes, each with what may be heard, in order, before the connection closes or goes on. Refuses nothing.
 */
import type { Signed } from '../ingress/vendors.ts'

export interface Shape {
  readonly name: string
  /** Segments; each is written on its own. */
  readonly bytes: readonly string[]
  /** Statuses in order of the answers. */
  readonly hears: readonly number[]
  /** Whether the connection may be used on; when not, it must close. */
  readonly goesOn?: true
  /** How many deliveries the gate has more afterwards. */
  readonly accepts?: number
  /** The sender ends its half once it has sent all. */
  readonly ends?: true
}

/** Makes a fresh genuine delivery, the same in length each time. Its text begins with `a delivery`. */
export type Deliver = () => Signed

const CHUNKED = 'transfer-encoding: chunked'

/** A whole request; `length` undefined leaves out the length header. */
function whole(
  path: string,
  { headers, body }: Signed,
  more: readonly string[] = [`content-length: ${Buffer.byteLength(body)}`],
  sent = body,
): string {
  const given = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  return [`POST ${path} HTTP/1.1`, 'host: gate', ...given, ...more, '', sent].join('\r\n')
}

function chunksOf(body: string, size = body.length, extension = ''): string {
  const parts: string[] = []
  for (let at = 0; at < body.length; at += size) {
    const part = body.slice(at, at + size)
    parts.push(`${part.length.toString(16)}${extension}\r\n${part}\r\n`)
  }
  return `${parts.join('')}0\r\n\r\n`
}

/** Two framings of one body. */
export function framings(path: string, deliver: Deliver): readonly Shape[] {
  const { headers, body } = deliver()
  const signed = { headers, body }
  const length = `content-length: ${body.length}`
  const refused = (name: string, more: readonly string[], sent = body): Shape => ({
    name,
    bytes: [whole(path, signed, more, sent)],
    hears: [400],
  })
  // What a fooled server would take for a second request.
  const smuggled = `0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: gate\r\n\r\n`
  return [
    refused('length and chunks', [length, CHUNKED], chunksOf(body)),
    refused('chunks and length', [CHUNKED, `content-length: ${smuggled.length}`], smuggled),
    refused('length of the first request inside chunks', ['content-length: 4', CHUNKED], `${smuggled}`),
    refused('chunked twice', ['transfer-encoding: chunked, chunked'], smuggled),
    refused('chunked in two headers', [CHUNKED, CHUNKED], smuggled),
    refused('chunked and identity', ['transfer-encoding: chunked, identity'], smuggled),
    refused('chunked is not last', ['transfer-encoding: chunked, gzip'], smuggled),
    refused('chunked in disguise', ['transfer-encoding: xchunked'], smuggled),
    refused('chunked in quotes', ['transfer-encoding: "chunked"'], smuggled),
    refused('chunked behind a vertical tab', ['transfer-encoding:\u000bchunked'], smuggled),
    refused('chunked under a name with a space', ['transfer-encoding : chunked'], smuggled),
    refused('chunked behind a bare line feed', [`x: y\n${CHUNKED}`], smuggled),
    refused('chunked behind a bare carriage return', [`x: y\r${CHUNKED}`, length]),
    refused('chunked behind a zero', [`x: y\u0000${CHUNKED}`, length]),
    refused('lengths that differ', [length, 'content-length: 0']),
    refused('lengths that agree, twice', [length, length]),
    refused('lengths in one header', [`content-length: ${body.length}, ${body.length}`]),
    refused('length below zero', ['content-length: -1']),
    refused('length with a sign', [`content-length: +${body.length}`]),
    refused('length in hexadecimal', [`content-length: 0x${body.length.toString(16)}`]),
    refused('length beyond every number', [`content-length: ${'9'.repeat(40)}`]),
    refused('length with a word', [`content-length: ${body.length} bytes`]),
    refused('length that is empty', ['content-length:']),
    {
      name: 'length beyond the cap',
      bytes: [whole(path, signed, ['content-length: 9999999999'])],
      hears: [413],
    },
    refused('folded header', ['x: y', ` ${CHUNKED}`, length]),
    refused('first header folded', [`\tx: y`, length]),
    refused('header name with a space', ['x y: z', length]),
    refused('header name that is empty', [': z', length]),
    refused('header without a colon', ['nonsense', length]),
    refused('two hosts', ['host: other', length]),
  ]
}

/** First lines and versions. */
export function firstLines(path: string, deliver: Deliver): readonly Shape[] {
  const line = (name: string, first: string, hears: Shape['hears'], more: Partial<Shape> = {}): Shape => {
    const { headers, body } = deliver()
    const [, ...rest] = whole(path, { headers, body }).split('\r\n')
    return { name, bytes: [[first, ...rest].join('\r\n')], hears, ...more }
  }
  const host = 'host: gate'
  const without = ({ headers, body }: Signed, version: string): string =>
    whole(path, { headers, body }).replace(' HTTP/1.1\r\nhost: gate\r\n', ` HTTP/${version}\r\n`)
  return [
    line('target with a host of its own', `POST http://other${path} HTTP/1.1`, [404], { goesOn: true }),
    line('target that is only a host', 'POST other:443 HTTP/1.1', [400]),
    line('target with a fragment', `POST ${path}#x HTTP/1.1`, [404], { goesOn: true }),
    line('target with a dot segment', `POST /x/..${path} HTTP/1.1`, [404], { goesOn: true }),
    line('target with two slashes', `POST /${path} HTTP/1.1`, [404], { goesOn: true }),
    line('target with a zero', `POST ${path}\u0000 HTTP/1.1`, [400]),
    line('target with a space', `POST ${path} x HTTP/1.1`, [400]),
    line('method CONNECT: no answer, and the end', 'CONNECT other:443 HTTP/1.1', []),
    line('method in lower case', `post ${path} HTTP/1.1`, [400]),
    line('method that is none', `SMUGGLE ${path} HTTP/1.1`, [400]),
    line('version 2', `POST ${path} HTTP/2.0`, [400]),
    line('version 9', `POST ${path} HTTP/1.9`, [400]),
    line('version with words', `POST ${path} HTTP/1.1 x`, [400]),
    line('version 0.9, named', `POST ${path} HTTP/0.9`, [400]),
    { name: 'the preface of version 2', bytes: ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'], hears: [400] },
    { name: 'no host', bytes: [without(deliver(), '1.1')], hears: [400] },
    { name: 'version 1.0 without a host', bytes: [without(deliver(), '1.0')], hears: [200], accepts: 1 },
    {
      name: 'version 1.0 that wants to go on',
      bytes: [without(deliver(), '1.0').replace('\r\n', '\r\nconnection: keep-alive\r\n')],
      hears: [200],
      accepts: 1,
      goesOn: true,
    },
    {
      name: 'version 1.0 with chunks',
      bytes: [chunkedAs10(path, deliver())],
      hears: [400],
    },
    {
      name: 'empty lines before it',
      bytes: [`\r\n\r\n${whole(path, deliver())}`],
      hears: [200],
      accepts: 1,
      goesOn: true,
    },
    { name: 'line feeds alone', bytes: [`POST ${path} HTTP/1.1\n${host}\n\n`], hears: [400] },
  ]
}

/** Chunks of every kind. */
export function chunks(path: string, deliver: Deliver): readonly Shape[] {
  const chunked = (
    name: string,
    of: (body: string) => string,
    hears: Shape['hears'],
    more: Partial<Shape> = {},
  ): Shape => {
    const signed = deliver()
    return { name, bytes: [whole(path, signed, [CHUNKED], of(signed.body))], hears, ...more }
  }
  const taken = { accepts: 1, goesOn: true } as const
  return [
    chunked('one chunk', (body) => chunksOf(body), [200], taken),
    chunked('a chunk for each byte', (body) => chunksOf(body, 1), [200], taken),
    chunked('chunks with extensions', (body) => chunksOf(body, 8, ';name=value'), [200], taken),
    chunked('a size with zeros before it', (body) => chunksOf(body).replace(/^/, '0000'), [200], taken),
    chunked(
      'trailers',
      (body) => chunksOf(body).replace(/\r\n$/, 'x-signature: forged\r\n\r\n'),
      [200],
      taken,
    ),
    chunked('many extensions', (body) => chunksOf(body, 1, `;${'x'.repeat(400)}`), [200], taken),
    chunked(
      'an extension that weighs too much',
      (body) => chunksOf(body, 8, `;${'x'.repeat(20_000)}`),
      [413],
    ),
    chunked(
      'a trailer that weighs too much',
      (body) => chunksOf(body).replace(/\r\n$/, `x: ${'y'.repeat(20_000)}\r\n\r\n`),
      [431],
    ),
    chunked(
      'a trailer with a length',
      (body) => chunksOf(body).replace(/\r\n$/, 'content-length: 5\r\n\r\n'),
      [400],
    ),
    chunked('a size beyond every number', () => `${'f'.repeat(17)}\r\n`, [400]),
    chunked('a size beyond the cap', () => `7fffffff\r\n${'x'.repeat(2_000_000)}`, [413]),
    chunked('a size below zero', () => '-1\r\nx\r\n0\r\n\r\n', [400]),
    chunked('a size with 0x', (body) => `0x${chunksOf(body)}`, [400]),
    chunked('a size with a space before it', (body) => ` ${chunksOf(body)}`, [400]),
    chunked('a size that is empty', (body) => `\r\n${body}\r\n0\r\n\r\n`, [400]),
    chunked('a size that is too small', (body) => `1\r\n${body}\r\n0\r\n\r\n`, [400]),
    chunked('line feeds alone after a size', (body) => chunksOf(body).replace('\r\n', '\n'), [400]),
    chunked(
      'line feeds alone after a chunk',
      (body) => `${body.length.toString(16)}\r\n${body}\n0\r\n\r\n`,
      [400],
    ),
    chunked('carriage returns alone', (body) => chunksOf(body).replaceAll('\r\n', '\r'), [400]),
  ]
}

/** Several requests on one connection. */
export function sequences(path: string, deliver: Deliver): readonly Shape[] {
  const good = (): string => whole(path, deliver())
  const forged = (): string => {
    const { headers, body } = deliver()
    return whole(path, { headers, body: body.replace('a delivery', 'a forgery!') })
  }
  const health = 'GET /healthz HTTP/1.1\r\nhost: gate\r\n\r\n'
  const joined = (...parts: readonly string[]): readonly string[] => [parts.join('')]
  return [
    {
      name: 'two in one segment',
      bytes: joined(good(), good()),
      hears: [200, 200],
      accepts: 2,
      goesOn: true,
    },
    {
      name: 'eight in one segment',
      bytes: joined(...Array.from({ length: 8 }, good)),
      hears: Array.from({ length: 8 }, () => 200),
      accepts: 8,
      goesOn: true,
    },
    {
      name: 'one behind a forged one',
      bytes: joined(forged(), good()),
      hears: [401, 200],
      accepts: 1,
      goesOn: true,
    },
    {
      name: 'one behind an unknown path',
      bytes: joined(good().replace(path, '/in/chn_nobody'), good()),
      hears: [404, 200],
      accepts: 1,
      goesOn: true,
    },
    {
      name: 'one behind a body too large',
      bytes: joined(good().replace(/content-length: \d+/, 'content-length: 2000000'), good()),
      hears: [413],
    },
    {
      name: 'one behind a method refused',
      bytes: joined(good().replace('POST', 'PUT'), good()),
      hears: [405],
    },
    {
      name: 'answers keep their order, slow before quick',
      bytes: joined(good(), health),
      hears: [200, 200],
      accepts: 1,
      goesOn: true,
    },
    {
      name: 'garbage behind a whole one',
      bytes: joined(good(), 'GARBAGE\r\n\r\n'),
      hears: [200, 400],
      accepts: 1,
    },
    {
      name: 'garbage behind two whole ones',
      bytes: joined(good(), good(), '\u0000\u0001\u0002'),
      hears: [200, 200, 400],
      accepts: 2,
    },
    {
      name: 'broken chunks behind a whole one',
      bytes: joined(good(), whole(path, deliver(), [CHUNKED], 'zz\r\n')),
      hears: [200, 400],
      accepts: 1,
    },
    {
      name: 'one that says close, and one behind it that nobody looks at',
      bytes: joined(whole(path, deliver()).replace('\r\n', '\r\nconnection: close\r\n'), good()),
      hears: [200],
      accepts: 1,
    },
    {
      name: 'one that would switch to version 2',
      bytes: joined(
        whole(path, deliver()).replace(
          '\r\n',
          '\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n',
        ),
        health,
      ),
      hears: [200],
      accepts: 1,
    },
    {
      name: 'half of one, and then the other half',
      bytes: halves(good()),
      hears: [200],
      accepts: 1,
      goesOn: true,
    },
    {
      name: 'a sender that ends within a head',
      bytes: [`POST ${path} HTTP/1.1\r\nho`],
      hears: [400],
      ends: true,
    },
    { name: 'a sender that ends within a body', bytes: [good().slice(0, -5)], hears: [400], ends: true },
  ]
}

/** `Expect`, RFC 9110 section 10.1.1. The bytes of a body come only where a 100 is awaited. */
export function expectations(path: string, deliver: Deliver): readonly Shape[] {
  const asks = (
    name: string,
    more: readonly string[],
    hears: Shape['hears'],
    rest: Partial<Shape> = {},
  ): Shape => ({
    name,
    bytes: [whole(path, deliver(), more, '')],
    hears,
    ...rest,
  })
  const fine = deliver()
  const { length } = fine.body
  return [
    {
      name: 'a length that is fine: 100, and then the answer',
      bytes: [whole(path, fine, [`content-length: ${length}`, 'expect: 100-continue'], ''), fine.body],
      hears: [100, 200],
      accepts: 1,
      goesOn: true,
    },
    asks('a length beyond the cap: no 100', ['content-length: 1048577', 'expect: 100-continue'], [413]),
    asks('no length: no 100', ['expect: 100-continue'], [411]),
    {
      name: 'a method refused: no 100',
      bytes: [
        whole(path, deliver(), ['content-length: 5', 'expect: 100-continue'], '').replace('POST', 'PUT'),
      ],
      hears: [405],
    },
    {
      name: 'a type refused: no 100',
      bytes: [
        `POST ${path} HTTP/1.1\r\nhost: gate\r\ncontent-type: video/mp4\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n`,
      ],
      hears: [415],
    },
    asks('an expectation nobody knows', ['content-length: 5', 'expect: a-miracle'], [417]),
    asks('two expectations', ['content-length: 5', 'expect: 100-continue, a-miracle'], [417]),
  ]
}

function chunkedAs10(path: string, signed: Signed): string {
  return whole(path, signed, [CHUNKED], chunksOf(signed.body)).replace(' HTTP/1.1', ' HTTP/1.0')
}

function halves(text: string): readonly string[] {
  const middle = Math.floor(text.length / 2)
  return [text.slice(0, middle), text.slice(middle)]
}
