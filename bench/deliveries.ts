/**
 * Genuine Pumble deliveries, signed before the clock runs. In: a secret, a workspace, a number. Out: that many HTTP requests
 * of one length as bytes, each with a message id of its own. Refuses nothing; the requests are good for five minutes, as
 * long as their signed time is.
 */
import { createHmac, createSecretKey } from 'node:crypto'

/** What a Pumble message of a few sentences weighs. */
const BODY_BYTES = 2_048
/** `/in/` and an id as the gate makes them; every server is asked for a path of this length. */
export const PATH_LENGTH = '/in/chn_'.length + 26
const ID_LENGTH = 24
const TIME_LENGTH = 13
const WORDS =
  'the gate takes what is proved and says what it took while the rest waits outside and learns nothing '

export interface DeliveriesWanted {
  readonly secret: string
  readonly workspace: string
  readonly count: number
  /** Unix milliseconds. */
  readonly now: number
}

/** All requests one after another in one piece of memory, so that sending one makes no garbage. */
export class Deliveries {
  readonly #bytes: Buffer
  readonly #size: number
  readonly count: number

  private constructor(bytes: Buffer, size: number, count: number) {
    this.#bytes = bytes
    this.#size = size
    this.count = count
  }

  static signed({ secret, workspace, count, now }: DeliveriesWanted): Deliveries {
    const body = bodyOf('0'.repeat(ID_LENGTH), workspace)
    const head = headOf(body.length)
    const request = Buffer.from(head + body, 'latin1')
    const bytes = Buffer.alloc(request.length * count)
    const key = createSecretKey(secret, 'utf8')
    const time = String(now)
    // Two runs over one database must not send the same message.
    const run = now.toString(16).padStart(12, '0')
    for (let i = 0; i < count; i++) {
      const at = i * request.length
      request.copy(bytes, at)
      const id = run + i.toString(16).padStart(ID_LENGTH - run.length, '0')
      bytes.write(id, at + head.length + body.indexOf('0'.repeat(ID_LENGTH)), 'latin1')
      bytes.write(time, at + head.indexOf('T'.repeat(TIME_LENGTH)), 'latin1')
      const signed = bytes.subarray(at + head.length, at + request.length)
      const mac = createHmac('sha256', key).update(`${time}:`).update(signed).digest('hex')
      bytes.write(mac, at + head.indexOf('S'.repeat(64)), 'latin1')
    }
    return new Deliveries(bytes, request.length, count)
  }

  /** Sends them all to another path. */
  address(path: string): void {
    if (path.length !== PATH_LENGTH) throw new Error(`address deliveries: ${path} is not ${PATH_LENGTH} long`)
    for (let i = 0; i < this.count; i++) this.#bytes.write(path, i * this.#size + 'POST '.length, 'latin1')
  }

  /** The request at `i`; a view, not a copy. */
  at(i: number): Buffer {
    return this.#bytes.subarray(i * this.#size, (i + 1) * this.#size)
  }
}

function headOf(length: number): string {
  return [
    `POST ${'P'.repeat(PATH_LENGTH)} HTTP/1.1`,
    'Host: 127.0.0.1',
    'User-Agent: bench',
    'Accept: */*',
    'Content-Type: application/json',
    `Content-Length: ${length}`,
    `X-Pumble-Request-Timestamp: ${'T'.repeat(TIME_LENGTH)}`,
    `X-Pumble-Request-Signature: ${'S'.repeat(64)}`,
    '',
    '',
  ].join('\r\n')
}

/** A `NEW_MESSAGE` event; its inside is JSON in a string, as Pumble sends it. */
function bodyOf(id: string, workspace: string): string {
  const short = eventBody(id, workspace, '')
  return eventBody(id, workspace, WORDS.repeat(30).slice(0, BODY_BYTES - short.length))
}

function eventBody(id: string, workspace: string, text: string): string {
  const user = '61f1c2a9e4b0a51d2c3f4e02'
  const conversation = '61f1c2a9e4b0a51d2c3f4e03'
  const message = { mId: id, wId: workspace, cId: conversation, aId: user, tx: text, ty: 'MESSAGE', f: [] }
  return JSON.stringify({
    messageType: 'PUMBLE_EVENT',
    eventType: 'NEW_MESSAGE',
    workspaceId: workspace,
    workspaceUserIds: [user],
    body: JSON.stringify(message),
  })
}
