/**
 * Connects to one judged address. In: a `JudgedAddress` and the target it stands for. Out: a socket whose peer is that
 * address and, for https, whose certificate is the target host's. Refuses a socket that ended up elsewhere, and gives up
 * after the connect time; nothing is written to a socket before it has passed.
 */
import net from 'node:net'
import tls from 'node:tls'
import type { JudgedAddress } from './address.ts'
import type { Target } from './target.ts'

export type ConnectFailureCode =
  | 'connect-refused'
  | 'connect-failed'
  | 'connect-timeout'
  | 'tls-failed'
  | 'peer-mismatch'

/** Nothing of the request has left the gate. */
export class ConnectFailure extends Error {
  override readonly name = 'ConnectFailure'
  readonly code: ConnectFailureCode

  constructor(code: ConnectFailureCode) {
    super(`connect to a receiver: ${code}`)
    this.code = code
  }
}

export interface ConnectOptions {
  readonly timeoutMs: number
  /** Certificate authorities instead of the system's; tests only. */
  readonly ca?: string | undefined
}

/** Connects, proves where it got to, and hands the socket over. */
export function connect(
  address: JudgedAddress,
  target: Target,
  options: ConnectOptions,
): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = open(address, target, options)
    let isReached = false
    const fail = (code: ConnectFailureCode): void => {
      clearTimeout(timer)
      socket.destroy()
      reject(new ConnectFailure(code))
    }
    const timer = setTimeout(() => fail('connect-timeout'), options.timeoutMs)
    // The address has been pinned; this holds even if something between turned the connection elsewhere.
    socket.once('connect', () => {
      isReached = true
      if (!address.isPeer(socket.remoteAddress)) fail('peer-mismatch')
    })
    const failed = (error: Error): void => fail(isReached ? 'tls-failed' : refusedOrFailed(error))
    socket.once('error', failed)
    socket.once(target.secure ? 'secureConnect' : 'connect', () => {
      if (socket.destroyed) return
      clearTimeout(timer)
      socket.removeListener('error', failed)
      resolve(socket)
    })
  })
}

function open(address: JudgedAddress, target: Target, { ca }: ConnectOptions): net.Socket {
  const to = { host: address.text, port: target.port, family: address.family, autoSelectFamily: false }
  if (!target.secure) return net.connect({ ...to, noDelay: true })
  return tls.connect({
    ...to,
    // The name in the URL, never the address: certificate and SNI are the host's. Literals have no SNI (RFC 6066).
    ...(target.isLiteral ? {} : { servername: target.host }),
    ALPNProtocols: ['http/1.1'],
    minVersion: 'TLSv1.2',
    ...(ca === undefined ? {} : { ca }),
  })
}

function refusedOrFailed(error: Error): ConnectFailureCode {
  return 'code' in error && error.code === 'ECONNREFUSED' ? 'connect-refused' : 'connect-failed'
}
