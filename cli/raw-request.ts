/**
 * A request as text, from a proxy's log or a packet capture. In: bytes that begin with a request line. Out: a record
 * with method, address, every header in its order and the body's bytes. Refuses what does not begin as an HTTP/1
 * request.
 */

const REQUEST_LINE = /^([A-Z]+) (\S+) HTTP\/1\.[01]$/
const LF = 0x0a
const CR = 0x0d

export interface RecordedRequest {
  readonly method: string
  readonly url: string
  readonly headerList: readonly (readonly [string, string])[]
  readonly bodyBase64: string
}

export function rawRequestOf(bytes: Buffer): RecordedRequest | undefined {
  const { head, body } = cut(bytes)
  const [first = '', ...lines] = head.toString('latin1').split(/\r?\n/)
  const [, method, url] = REQUEST_LINE.exec(first) ?? []
  if (method === undefined || url === undefined) return undefined
  const headerList = lines.flatMap((line): [string, string][] => {
    const at = line.indexOf(':')
    return at > 0 ? [[line.slice(0, at).trim(), line.slice(at + 1).trim()]] : []
  })
  return { method, url, headerList, bodyBase64: declared(body, headerList).toString('base64') }
}

/** Head and body, at the first empty line. */
function cut(bytes: Buffer): { readonly head: Buffer; readonly body: Buffer } {
  for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    const after = bytes[at + 1] === CR ? at + 2 : at + 1
    if (bytes[after] === LF) return { head: bytes.subarray(0, at), body: bytes.subarray(after + 1) }
  }
  return { head: bytes, body: Buffer.alloc(0) }
}

/** As long as the head says: editors add a line break at the end of a file. */
function declared(body: Buffer, headers: RecordedRequest['headerList']): Buffer {
  const length = headers.find(([name]) => name.toLowerCase() === 'content-length')?.[1]
  return length !== undefined && /^\d{1,9}$/.test(length) ? body.subarray(0, Number(length)) : body
}
