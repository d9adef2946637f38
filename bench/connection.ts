/**
 * One keep-alive connection of the load generator, on a bare socket. In: whole requests as bytes, one at a time. Out: the
 * status of each answer. Refuses nothing: a connection that breaks answers with status 0 and dials again.
 */
import { connect, type Socket } from 'node:net'

const HEAD_END = '\r\n\r\n'

export class Connection {
  readonly #port: number
  #socket: Socket | undefined
  #answered: ((status: number) => void) | undefined
  #received = ''
  #closed = false

  constructor(port: number) {
    this.#port = port
  }

  async open(): Promise<this> {
    const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true })
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    socket.on('error', () => {})
    socket.on('close', () => this.#broken(socket))
    socket.setEncoding('latin1').on('data', (chunk) => this.#take(String(chunk)))
    this.#socket = socket
    return this
  }

  /** Calls `answered` once, with the status of the answer. */
  send(request: Buffer, answered: (status: number) => void): void {
    this.#answered = answered
    this.#socket?.write(request)
  }

  close(): void {
    this.#closed = true
    this.#socket?.destroy()
  }

  #take(chunk: string): void {
    this.#received += chunk
    const head = this.#received.indexOf(HEAD_END)
    if (head < 0) return
    const length = /\r\ncontent-length: *(\d+)/i.exec(this.#received)?.[1]
    if (this.#received.length < head + HEAD_END.length + Number(length ?? 0)) return
    const status = Number(this.#received.slice(9, 12))
    this.#received = ''
    this.#settle(status)
  }

  #settle(status: number): void {
    const answered = this.#answered
    this.#answered = undefined
    answered?.(status)
  }

  #broken(socket: Socket): void {
    if (this.#closed || this.#socket !== socket) return
    this.#received = ''
    this.open().then(
      () => this.#settle(0),
      () => this.#settle(0),
    )
  }
}
