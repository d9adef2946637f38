/**
 * Deliveries on their way out, with canaries in all that apps and operators say to them. In: a house with accepted
 * webhooks, an app. Out: what was made, what the app got, and the answers that must hold nothing. Refuses nothing; it
 * throws when a path does not go as it is meant to.
 */
import assert from 'node:assert/strict'
import { Client } from '@gatehouse/contract/client.ts'
import { type App, type House, send, startApp, until } from '../support/ingress.ts'
import type { Haystack, Planted } from './canaries.ts'
import type { Aimed } from './webhooks.ts'

/** Apps that fail; the gate tries each a first time and keeps no word of theirs. */
const FAILURES = [500, 400, 301, 429, 410]

export interface SentOut {
  readonly appGot: readonly Haystack[]
}

export async function deliveries(
  house: House,
  canaries: Planted,
  app: App,
  lines: readonly Aimed[],
): Promise<SentOut> {
  const { admin, tenant } = house
  const channels = lines.map(({ line }) => line.id)
  const push = await admin.createSubscription(tenant, {
    name: 'push',
    mode: 'push',
    url: app.url,
    channels,
    inlineBody: true,
  })
  canaries.secrets.watch('push signing secret', (push.secret ?? '').replace(/^whsec_/, ''))
  const pull = await admin.createSubscription(tenant, {
    name: 'pull',
    mode: 'pull',
    channels,
    inlineBody: true,
  })
  canaries.secrets.watch('pull token', pull.token ?? '')
  const app2 = await admin.createSubscription(tenant, {
    name: 'gone',
    mode: 'push',
    url: goneUrl(),
    channels,
  })
  canaries.secrets.watch(
    'push signing secret of an app that is gone',
    (app2.secret ?? '').replace(/^whsec_/, ''),
  )

  await pushed(house, canaries, app, lines)
  const [line] = lines
  assert.ok(line)
  await failed(house, canaries, line)
  await pulled(house, canaries, pull.token ?? '', lines)
  const { items } = await admin.listDeliveries(tenant, { limit: 100 })
  const [delivery] = items
  assert.ok(delivery)
  await replayed(house, app, delivery.id)
  return {
    appGot: app.got.map(({ headers, body }) => {
      return { place: 'what the app got', bytes: Buffer.from(JSON.stringify(headers) + body) }
    }),
  }
}

/** A port on which nobody listens; discard is closed everywhere today. */
function goneUrl(): string {
  return 'http://127.0.0.1:9/hook'
}

async function pushed({ gate }: House, { texts }: Planted, app: App, lines: readonly Aimed[]): Promise<void> {
  let n = 100
  for (const { from, line } of lines) {
    const before = app.got.length
    const said = from.says({ n: ++n, text: texts.plant(`${from.source} pushed text`) })
    assert.equal((await send(gate.publicUrl + line.path, said)).status, from.ack)
    await until('the app has it', () => app.got.length > before || undefined)
  }
}

/** Apps that fail in every way, each with words of its own; they are told of one delivery. */
async function failed(house: House, { texts, secrets }: Planted, line: Aimed): Promise<void> {
  const apps = await Promise.all(FAILURES.map(() => startApp()))
  try {
    const made: string[] = []
    for (const [i, app] of apps.entries()) {
      app.answer = {
        status: FAILURES[i] ?? 500,
        headers: {
          location: `http://127.0.0.1:9/${secrets.plant('where an app sends us')}`,
          'retry-after': '86400',
          'x-app': secrets.plant('header of an app'),
          'set-cookie': secrets.plant('cookie of an app'),
        },
        body: secrets.plant('what an app says'),
      }
      const { id, secret = '' } = await house.admin.createSubscription(house.tenant, {
        name: `fails-${i}`,
        mode: 'push',
        url: app.url,
        channels: [line.line.id],
      })
      secrets.watch('push signing secret of an app that fails', secret.replace(/^whsec_/, ''))
      made.push(id)
    }
    const said = line.from.says({ n: 300, text: texts.plant('a text that apps fail on') })
    assert.equal((await send(house.gate.publicUrl + line.line.path, said)).status, line.from.ack)
    await until('all have failed', () => apps.every(({ got }) => got.length > 0) || undefined)
    await until('the failures are written', async () => {
      const { items } = await house.admin.listDeliveries(house.tenant, { limit: 100 })
      const ends = items
        .flatMap(({ dispatches }) => dispatches)
        .filter(({ subscription }) => made.includes(subscription))
      return (
        (ends.length === apps.length &&
          ends.every(({ attempts, state }) => attempts > 0 && state !== 'leased')) ||
        undefined
      )
    })
  } finally {
    await Promise.all(apps.map((app) => app.close()))
  }
}

async function pulled(
  { gate }: House,
  { texts, secrets }: Planted,
  token: string,
  lines: readonly Aimed[],
): Promise<void> {
  const client = new Client({ url: gate.adminUrl, token })
  const [line] = lines
  assert.ok(line)
  const said = line.from.says({ n: 200, text: texts.plant('a pulled text') })
  await send(gate.publicUrl + line.line.path, said)
  const { items } = await client.pullLease({ max: 5, waitSeconds: 5 })
  const [one, two] = items
  assert.ok(one && two)
  await client.pullAck({ leases: [one.lease, secrets.plant('a lease that is none')] })
  await client.pullNack({ lease: two.lease, delaySeconds: 60 })
  const stop = new AbortController()
  for await (const { lease } of client.pullStream(stop.signal)) {
    await client.pullAck({ leases: [lease] })
    break
  }
  stop.abort()
}

async function replayed({ admin, tenant }: House, app: App, delivery: string): Promise<void> {
  const before = app.got.length
  const body = await admin.readDeliveryBody(tenant, delivery)
  assert.ok(body.length > 0)
  await admin.replayDelivery(tenant, delivery, { reason: 'a test' })
  await until('the replay has come', () => app.got.length > before || undefined)
}
