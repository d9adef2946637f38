/**
 * How each peer starts and ends. In: a server that is not listening yet. Out: one line with its port on stdout. Refuses
 * nothing; the process ends when its stdin does, so that a bench that is killed leaves no server behind.
 */
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export function serve(server: Server): void {
  server.listen(0, '127.0.0.1', () => {
    // A boundary: a TCP server that listens has a port.
    process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`)
  })
  process.stdin.resume().on('end', () => process.exit(0))
}

/** The signing secret that the bench hands to every server. */
export function secretGiven(): string {
  const secret = process.env['BENCH_SECRET']
  if (secret === undefined) throw new Error('start a peer: BENCH_SECRET is missing; `npm run bench` sets it')
  return secret
}
