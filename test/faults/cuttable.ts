/**
 * A line that can be cut: a TCP proxy on loopback before a real server. In: the server's address. Out: an address to
 * use instead, and switches: pass on, freeze (nothing moves, nothing closes), cut (all ends, and new ones end at once).
 * Refuses nothing; it counts what tried to connect.
 */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export interface Line {
  readonly port: number
  /** Connections that were tried since the start. */
  readonly tried: () => number
  pass(): void
  /** Like a machine that hangs or a network that drops packets. */
  freeze(): void
  /** Like a server that went away. */
  cut(): void
  close(): Promise<void>
}

type Mode = 'pass' | 'freeze' | 'cut'

export async function lineTo(host: string, port: number): Promise<Line> {
  const pairs = new Set<readonly [Socket, Socket]>()
  let mode: Mode = 'pass'
  let tried = 0
  const server = createServer((near) => {
    tried++
    if (mode === 'cut') return void near.on('error', () => {}).destroy()
    const far = connect({ host, port })
    const pair = [near, far] as const
    pairs.add(pair)
    join(pair, () => pairs.delete(pair))
    if (mode === 'freeze') hold(pair)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  const turn = (next: Mode, each: (pair: readonly [Socket, Socket]) => void): void => {
    mode = next
    for (const pair of pairs) each(pair)
  }
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    tried: () => tried,
    pass: () => turn('pass', release),
    freeze: () => turn('freeze', hold),
    cut: () => turn('cut', end),
    async close() {
      turn('cut', end)
      server.close()
      await once(server, 'close')
    },
  }
}

/** `url` with the line's port instead of its own. */
export function through(line: Line, url: string): string {
  const changed = new URL(url)
  changed.hostname = '127.0.0.1'
  changed.port = String(line.port)
  return changed.href
}

export async function lineToUrl(url: string): Promise<Line> {
  const { hostname, port } = new URL(url)
  return await lineTo(hostname, Number(port === '' ? 5432 : port))
}

function join(pair: readonly [Socket, Socket], gone: () => void): void {
  const [near, far] = pair
  for (const [from, to] of [
    [near, far],
    [far, near],
  ] as const) {
    from.on('data', (chunk: Buffer) => to.write(chunk))
    from.on('end', () => to.end())
    from.on('error', () => end(pair))
    from.on('close', () => {
      end(pair)
      gone()
    })
  }
}

function hold(pair: readonly [Socket, Socket]): void {
  for (const socket of pair) socket.pause()
}

function release(pair: readonly [Socket, Socket]): void {
  for (const socket of pair) socket.resume()
}

function end(pair: readonly [Socket, Socket]): void {
  for (const socket of pair) socket.destroy()
}
