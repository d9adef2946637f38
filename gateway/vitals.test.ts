import assert from 'node:assert/strict'
import { eachEngine } from '../test/support/engines.ts'
import { openRig, tidied } from './delivery/rig.ts'
import { createMetrics } from './observe/metrics.ts'
import { openStore } from './store/open.ts'
import { vitals } from './vitals.ts'
import type { Parts } from './wire.ts'

eachEngine(
  'metrics tell of dead letters that are there now and of apps that are away',
  tidied(async (engine, t) => {
    const store = await openStore(engine, Date.now)
    t.after(() => store.close())
    const on = await openRig(store)
    const away = { held_why: 'breaker', held_ms: 30_000 } as const
    const open = await on.subscribe('push', { ...away, held_until: on.clock() + 30_000 })
    const probing = await on.subscribe('push', { ...away, held_until: on.clock() - 1 })
    await on.subscribe('push', { held_why: 'asked', held_until: on.clock() + 30_000 })
    const [dead = ''] = await on.accept(2)
    const put = (state: 'dead' | 'pending') =>
      store.write(async ({ db }) => {
        await db.updateTable('dispatch').set({ state }).where('delivery_id', '=', dead).execute()
      })
    // As much of a gate as its vitals look at.
    const parts = {
      store,
      metrics: createMetrics('test'),
      clock: on.clock,
      keyring: { check: async () => {} },
      config: { inFlightCap: 1 },
    } as unknown as Parts
    const gauge = vitals(parts, () => 0)
    const text = async () => Buffer.from((await gauge.metrics()).bytes).toString()
    await put('dead')
    const told = await text()
    assert.match(told, /^gatehouse_dead_letters 3$/m)
    assert.match(told, /^gatehouse_delivery_pending 3$/m)
    const breakers = [...told.matchAll(/^gatehouse_delivery_breaker_state\{subscription="(.*)"\} (\d)$/gm)]
    assert.deepEqual(
      new Map(breakers.map(([, id, state]) => [id, state])),
      new Map([
        [open, '2'],
        [probing, '1'],
      ]),
    )
    await put('pending')
    assert.match(await text(), /^gatehouse_dead_letters 0$/m)
  }),
)
