import assert from 'node:assert/strict'
import type { z } from 'zod'
import type { Leased } from '@gatehouse/contract/api.ts'
import { eachEngine } from '../../test/support/engines.ts'
import type { Pull } from '../routes.ts'
import { type Fixture, startAdmin } from '../admin.fixture.ts'

type Item = z.infer<typeof Leased>

function item(n: number): Item {
  return {
    lease: `lease-${n}`,
    envelope: {
      version: 1,
      id: `dlv_${n}`,
      tenant: 'ten_1',
      channel: 'chn_1',
      source: 'timely',
      kind: 'message',
      text: 'two\nlines: "é"',
      receivedAt: '2026-01-01T00:00:00.000Z',
      replay: false,
      attempt: 1,
      body: { href: '/b', size: 1, sha256: 'a'.repeat(64) },
    },
  }
}

/** Items that come when the test says so. */
class Feed {
  #next = Promise.withResolvers<Item | undefined>()
  ended = false

  send(next: Item | undefined): void {
    this.#next.resolve(next)
  }

  async *stream(
    _: unknown,
    signal: AbortSignal,
  ): ReturnType<Pull['stream']> & AsyncGenerator<{ item: Item } | { heartbeat: true }> {
    const gone = new Promise<undefined>((resolve) =>
      signal.addEventListener('abort', () => resolve(undefined)),
    )
    try {
      yield { heartbeat: true }
      for (;;) {
        const next = await Promise.race([this.#next.promise, gone])
        if (next === undefined) return
        this.#next = Promise.withResolvers()
        yield { item: next }
      }
    } finally {
      this.ended = true
    }
  }
}

async function subscriber(gate: Fixture) {
  const { client } = await gate.administrator()
  const { id: tenant } = await client.createTenant({ name: 'Harbour' })
  const { id: channel } = await client.createChannel(tenant, { name: 'chat', source: 'timely' })
  const made = await client.createSubscription(tenant, { name: 'app', mode: 'pull', channels: [channel] })
  return { client, tenant, subscription: made.id, app: gate.client(made.token ?? '') }
}

eachEngine('deliveries stream as they come, and stop when the token dies', async (engine, t) => {
  const feed = new Feed()
  const usual = { lease: async () => [], ack: async () => [], nack: async () => 'gone' as const }
  const pull: Pull = { ...usual, stream: (who, signal) => feed.stream(who, signal) }
  const gate = await startAdmin(engine, { rooms: { pull } })
  t.after(() => gate.stop())
  const { client, tenant, subscription, app } = await subscriber(gate)
  const stream = app.pullStream()
  feed.send(item(1))
  assert.deepEqual((await stream.next()).value, item(1))
  feed.send(item(2))
  assert.deepEqual((await stream.next()).value, item(2))
  await client.removeSubscription(tenant, subscription)
  feed.send(item(3))
  assert.equal((await stream.next()).done, true, 'nothing more leaves once the token is dead')
})

eachEngine('a reader that goes away ends the stream behind it', async (engine, t) => {
  const feed = new Feed()
  const usual = { lease: async () => [], ack: async () => [], nack: async () => 'gone' as const }
  const pull: Pull = { ...usual, stream: (who, signal) => feed.stream(who, signal) }
  const gate = await startAdmin(engine, { rooms: { pull } })
  t.after(() => gate.stop())
  const { app } = await subscriber(gate)
  const reader = new AbortController()
  const stream = app.pullStream(reader.signal)
  feed.send(item(1))
  await stream.next()
  reader.abort()
  await assert.rejects(async () => void (await stream.next()))
  for (let i = 0; i < 200 && !feed.ended; i++) await new Promise((resolve) => setTimeout(resolve, 10))
  assert.equal(feed.ended, true)
})
