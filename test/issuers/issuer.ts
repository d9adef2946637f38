/**
 * A vendor's key server on loopback, for tests. In: what it answers on each path, and how. Out: its address and how often it
 * was asked. Refuses nothing: it can be down, slow, huge or point elsewhere, as vendors and those who pose as them are.
 */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { once } from 'node:events'
import { type RequestListener, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

export interface Issuer {
  readonly url: string
  /** Requests that came in so far. */
  readonly asked: () => number
  /** What it answers from now on. */
  answer(listener: RequestListener): void
  /** Stops listening; `url` stays what it was. */
  stop(): Promise<void>
}

export async function openIssuer(t: TestContext, listener: RequestListener): Promise<Issuer> {
  let asked = 0
  let answering = listener
  const server = createServer((request, response) => {
    asked++
    answering(request, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const stop = async (): Promise<void> => {
    server.closeAllConnections()
    if (server.listening) await new Promise((closed) => server.close(closed))
  }
  t.after(stop)
  const { port } = server.address() as AddressInfo // a TCP server's
  return {
    url: `http://127.0.0.1:${port}/keys`,
    asked: () => asked,
    answer: (next) => (answering = next),
    stop,
  }
}

export interface SigningKey {
  readonly kid: string
  readonly privateKey: KeyObject
  readonly jwk: Readonly<Record<string, unknown>>
}

export function makeKey(
  kid: string,
  members: Readonly<Record<string, unknown>> = {},
  bits = 2_048,
): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: bits })
  return { kid, privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, use: 'sig', ...members } }
}

export function keySet(...keys: readonly SigningKey[]): RequestListener {
  const body = JSON.stringify({ keys: keys.map(({ jwk }) => jwk) })
  return (_, response) => void response.setHeader('content-type', 'application/json').end(body)
}

export function text(body: string | Buffer, status = 200): RequestListener {
  return (_, response) => void response.writeHead(status).end(body)
}

/** A compact JWS under `key`; `header` replaces members of the usual one. */
export function token(
  { kid, privateKey }: SigningKey,
  payload: Readonly<Record<string, unknown>>,
  header: Readonly<Record<string, unknown>> = {},
): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${part({ alg: 'RS256', typ: 'JWT', kid, ...header })}.${part(payload)}`
  return `${signed}.${sign('sha256', Buffer.from(signed), privateKey).toString('base64url')}`
}
