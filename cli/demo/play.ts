/**
 * The demo's plot. In: a running gate and an app. Out: what was sent, what the gate answered, kept and handed on.
 * Everything goes over sockets: the admin API as the console uses it, the public listener as a vendor meets it.
 */
import type { Client } from '@gatehouse/contract/client.ts'
import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { RunningGate } from '../door.ts'
import type { App } from './app.ts'
import type { Line, Story } from './story.ts'
import { type Shot, shots, type Vendor, WORKSPACES } from './vendors.ts'

/** Milliseconds to wait for the app; pushes take a few. */
const PATIENCE = 5000
/** Milliseconds after the last one, in which one too many would show. */
const SETTLE = 300

/** Once the demo is interrupted and its gate gone, no wait keeps the process. */
const UNHELD = { ref: false } as const

interface Channel {
  readonly id: string
  readonly path: string
}

interface Sent {
  readonly shot: Shot
  readonly status: number
  readonly requestId: string
}

/** Reason by request id. */
type Kept = ReadonlyMap<string, string>

type Channels = Readonly<Record<Vendor, Channel>>

export async function play(gate: RunningGate, app: App): Promise<Story> {
  const api = await claim(gate)
  const tenant = (await api.createTenant({ name: 'demo' })).id
  const secrets = { slack: randomSecret(), github: randomSecret(), pumble: randomSecret() }
  const channels: Channels = {
    slack: await openChannel(api, tenant, 'slack', secrets.slack),
    github: await openChannel(api, tenant, 'github', secrets.github),
    pumble: await openChannel(api, tenant, 'pumble', secrets.pumble),
  }
  await subscribe(api, tenant, channels, app)

  const sent: Sent[] = []
  for (const shot of shots(secrets, Date.now())) sent.push(await send(gate, channels, shot))
  await arrivals(
    app,
    new Set(sent.filter(({ shot }) => shot.expect.app > 0).map(({ shot }) => digestOf(shot))).size,
  )

  const kept = await refusals(api, tenant, channels, sent)
  const lines = sent.map((one) => lineOf(one, kept.get(one.requestId) ?? '', app))
  const { items } = await api.listTenantEvents(tenant, { limit: 100 })
  const asExpected = lines.every((line) => line.asExpected) && app.refused() === 0
  return { lines, events: items.toReversed(), asExpected }
}

async function claim(gate: RunningGate): Promise<Client> {
  const { Client } = await import('@gatehouse/contract/client.ts')
  const url = gate.adminUrl
  const { token } = await new Client({ url }).claim({ code: gate.claim ?? '', name: 'demo' })
  return new Client({ url, token })
}

async function openChannel(api: Client, tenant: string, source: Vendor, value: string): Promise<Channel> {
  const workspace = WORKSPACES[source]
  const workspaces = workspace === undefined ? null : [workspace]
  const channel = await api.createChannel(tenant, { name: source, source, workspaces })
  await api.createCredential(tenant, channel.id, { label: 'demo', value })
  return channel
}

async function subscribe(api: Client, tenant: string, channels: Channels, app: App): Promise<void> {
  const ids = Object.values(channels).map((channel) => channel.id)
  const { secret } = await api.createSubscription(tenant, {
    name: 'app',
    mode: 'push',
    url: app.url,
    channels: ids,
  })
  app.trust(secret ?? '')
}

async function send(gate: RunningGate, channels: Channels, shot: Shot): Promise<Sent> {
  const response = await fetch(gate.publicUrl + channels[shot.vendor].path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...shot.headers },
    body: new Uint8Array(shot.body),
  })
  await response.arrayBuffer()
  return { shot, status: response.status, requestId: response.headers.get('gatehouse-request-id') ?? '' }
}

async function arrivals(app: App, bodies: number): Promise<void> {
  const until = Date.now() + PATIENCE
  while (app.got.size < bodies && Date.now() < until) await pause(20, undefined, UNHELD)
  await pause(SETTLE, undefined, UNHELD)
}

/**
 * What the gate kept for operators, by the id each caller was given. Refusals are written each second, alike ones as
 * one row that counts them under the first one's id: the others find their reason in what is left of the count.
 */
async function refusals(
  api: Client,
  tenant: string,
  channels: Channels,
  sent: readonly Sent[],
): Promise<Kept> {
  const kept = new Map<string, string>()
  for (const [vendor, channel] of Object.entries(channels)) {
    const own = sent.filter(({ shot }) => shot.vendor === vendor)
    const expected = own.filter(({ shot }) => shot.expect.kept !== '').length
    const rows = await refusalRows(api, tenant, channel.id, expected)
    const left = rows.flatMap(({ reason, count }) => Array<string>(count - 1).fill(reason))
    for (const { requestId, reason } of rows) kept.set(requestId, reason)
    for (const { requestId, shot } of own) {
      const at = left.indexOf(shot.expect.kept)
      if (kept.has(requestId) || at < 0) continue
      left.splice(at, 1)
      kept.set(requestId, shot.expect.kept)
    }
  }
  return kept
}

async function refusalRows(api: Client, tenant: string, channel: string, expected: number) {
  const until = Date.now() + PATIENCE
  for (;;) {
    const { items } = await api.listRefusals(tenant, channel, { limit: 100 })
    const total = items.reduce((sum, { count }) => sum + count, 0)
    if (total >= expected || Date.now() > until) return items
    await pause(50, undefined, UNHELD)
  }
}

function lineOf({ shot, status }: Sent, kept: string, app: App): Line {
  const times = app.got.get(digestOf(shot)) ?? 0
  const { expect } = shot
  const asExpected = status === expect.status && kept === expect.kept && times === expect.app
  return { source: shot.vendor, sent: shot.what, status, kept, reachedApp: times, asExpected }
}

function digestOf(shot: Shot): string {
  return createHash('sha256').update(shot.body).digest('hex')
}

function randomSecret(): string {
  return randomBytes(16).toString('hex')
}
