/**
 * What the black-box tests of the ingress share. In: an engine, settings and how many gates. Out: a claimed house of gates
 * over one store with a tenant, ways to add channels and apps, and a sender that puts exact headers and bytes on the wire.
 * Refuses nothing; what it started, `close` ends.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type Agent, createServer, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from '@gatehouse/contract/client.ts'
import type { Engine } from './engines.ts'
import { type Gate, startGate } from './gate.ts'

/** Milliseconds for what a gate does in its own time: pushes, flushes, announcements. */
const PATIENCE = 20_000
const LOOK_EVERY = 20

export interface House {
  readonly engine: Engine['engine']
  readonly data: string
  /** Gates over one store and one root key; the first one was claimed. */
  readonly gates: readonly Gate[]
  readonly gate: Gate
  readonly admin: Client
  /** The bearer token behind `admin`. */
  readonly token: string
  readonly claim: string
  readonly tenant: string
  /** Starts one more gate over the same store. */
  add(env?: Readonly<Record<string, string>>): Promise<Gate>
  close(): Promise<void>
}

export interface HouseOptions {
  readonly gates?: number
  readonly env?: Readonly<Record<string, string>>
}

export async function openHouse(engine: Engine, options: HouseOptions = {}): Promise<House> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-house-'))
  const data = join(folder, 'data')
  const database = engine.engine === 'postgres' ? { GATEHOUSE_DATABASE_URL: engine.url } : {}
  const gates: Gate[] = []
  const add = async (env: Readonly<Record<string, string>> = {}): Promise<Gate> => {
    const common = { GATEHOUSE_PUSH_ALLOW_LOOPBACK: 'true', GATEHOUSE_INGRESS_RATE: '0', ...database }
    const gate = await startGate({ data, env: { ...common, ...options.env, ...env } })
    gates.push(gate)
    return gate
  }
  const close = async (): Promise<void> => {
    await Promise.all(gates.map((gate) => gate.kill()))
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const gate = await add()
    const claim = gate.claim ?? ''
    const { token } = await new Client({ url: gate.adminUrl }).claim({ code: claim })
    const admin = new Client({ url: gate.adminUrl, token, fetch: patient })
    const { id: tenant } = await admin.createTenant({ name: 'acme' })
    for (let more = 1; more < (options.gates ?? 1); more++) await add()
    return { engine: engine.engine, data, gates, gate, admin, token, claim, tenant, add, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** The same admin on another gate of the house. */
export function adminOf(house: House, gate: Gate): Client {
  return new Client({ url: gate.adminUrl, token: house.token, fetch: patient })
}

/** Waits where the gate asks to: tests make in a second what operators make in a day. */
const patient: typeof fetch = async (input, init) => {
  for (;;) {
    const answer = await fetch(input, init)
    if (answer.status !== 429) return answer
    await pause(Number(answer.headers.get('retry-after') ?? 1) * 1_000)
  }
}

export interface Line {
  readonly id: string
  readonly path: string
  readonly credential: string
}

export interface LineOptions {
  readonly name?: string
  readonly workspaces?: readonly string[]
  readonly settings?: Readonly<Record<string, unknown>>
}

let lines = 0

/** A channel with one credential. */
export async function openLine(
  { admin, tenant }: Pick<House, 'admin' | 'tenant'>,
  source: string,
  secret: string,
  { name = `${source}-${++lines}`, workspaces, settings }: LineOptions = {},
): Promise<Line> {
  const { id, path } = await admin.createChannel(tenant, {
    name,
    source,
    ...(workspaces !== undefined && { workspaces: [...workspaces] }),
    ...(settings !== undefined && { settings }),
  })
  const { id: credential } = await admin.createCredential(tenant, id, { value: secret })
  return { id, path, credential }
}

export interface Sending {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string
  /** Keeps connections for those who want the next request to be quick; a connection each otherwise. */
  readonly agent?: Agent
}

export interface Answered {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** Sends one request: these headers, these bytes, and a length. */
export async function send(
  url: string,
  { method = 'POST', headers = {}, body = '', agent }: Sending,
): Promise<Answered> {
  const bytes = Buffer.from(body)
  const outgoing = request(url, {
    method,
    agent: agent ?? false,
    headers: { ...headers, 'content-length': String(bytes.length) },
  })
  // A gate that answers early and closes makes the rest of the write fail; the answer still counts.
  outgoing.on('error', () => {})
  const answered = answerTo(outgoing)
  outgoing.end(bytes)
  return await answered
}

export async function answerTo(outgoing: ReturnType<typeof request>): Promise<Answered> {
  const incoming = await new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once('response', resolve)
    outgoing.once('error', reject)
    outgoing.once('close', () => reject(new Error('the connection closed without an answer')))
  })
  const body = (await buffer(incoming)).toString('utf8')
  return { status: incoming.statusCode ?? 0, headers: incoming.headers, body }
}

export interface Spoken {
  readonly text: string
  /** Milliseconds until the first byte came back; NaN when none did. */
  readonly firstByteMs: number
  readonly ms: number
}

/** Writes bytes on a bare socket and hears it out until the other side closes, or for `patience` milliseconds. */
export async function speak(
  url: string,
  pieces: readonly (Uint8Array | string)[],
  patience = PATIENCE,
): Promise<Spoken> {
  const { hostname, port } = new URL(url)
  const socket = createConnection({ host: hostname, port: Number(port) })
  const began = performance.now()
  let text = ''
  let firstByteMs = Number.NaN
  socket.on('error', () => {})
  socket.on('data', (chunk) => {
    if (text === '') firstByteMs = performance.now() - began
    text += chunk.toString('latin1')
  })
  await once(socket, 'connect')
  // Not `once` of events: being hung up on is an error to it.
  const closed = new Promise((resolve) => socket.once('close', resolve))
  for (const piece of pieces) if (!socket.destroyed) socket.write(piece)
  await Promise.race([closed, pause(patience, undefined, { ref: false })])
  socket.destroy()
  return { text, firstByteMs, ms: performance.now() - began }
}

export interface App {
  readonly url: string
  readonly got: { readonly headers: IncomingHttpHeaders; readonly body: string }[]
  /** What it answers from now on; 204 at first. */
  answer: { status: number; headers?: Readonly<Record<string, string>>; body?: string }
  close(): Promise<void>
}

/** An app that takes pushes and remembers them. */
export async function startApp(): Promise<App> {
  const got: App['got'] = []
  const server = createServer((incoming, response) => {
    buffer(incoming).then(
      (bytes) => {
        got.push({ headers: incoming.headers, body: bytes.toString('utf8') })
        const { status, headers, body } = app.answer
        response.writeHead(status, headers).end(body)
      },
      () => response.destroy(),
    )
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  const app: App = {
    url: `http://127.0.0.1:${port}/hook`,
    got,
    answer: { status: 204 },
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return app
}

/** Waits until `found` gives something; throws with `what` when it does not in time. */
export async function until<T>(
  what: string,
  found: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const end = performance.now() + PATIENCE
  for (;;) {
    const value = await found()
    if (value !== undefined) return value
    if (performance.now() > end) throw new Error(`wait until ${what}: not in ${PATIENCE} ms`)
    await pause(LOOK_EVERY)
  }
}

/** The value of one series on `/metrics`; zero while it has not been counted. */
export async function metric(
  admin: Client,
  name: string,
  labels: Readonly<Record<string, string>>,
): Promise<number> {
  const text = await admin.readMetrics()
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`)
  const line = text
    .split('\n')
    .find(
      (one) =>
        (one.startsWith(`${name}{`) || one.startsWith(`${name} `)) &&
        wanted.every((pair) => one.includes(pair)),
    )
  return line === undefined ? 0 : Number(line.slice(line.lastIndexOf(' ') + 1))
}
