import assert from 'node:assert/strict'
import { sql } from 'kysely'
import { type Engine, eachEngine } from '../../test/support/engines.ts'
import { openStore } from '../store/open.ts'
import type { Store } from '../store/store.ts'
import { backlog } from './backlog.fixture.ts'
import { startDelivery } from './deliver.ts'
import { PUSH_LIMITS } from './push.ts'
import { dueQuery, Queue, waitingQuery } from './queue.ts'
import { openRig, tidied, until } from './rig.ts'

/** Waiting dispatches of one tenant; `test/prove/fairness.ts` has a million. */
const BACKLOG = 100_000
const SUBSCRIPTIONS = 40

async function plan(store: Store, text: string, values: readonly unknown[]): Promise<string> {
  const explain = store.engine === 'sqlite' ? 'EXPLAIN QUERY PLAN ' : 'EXPLAIN '
  const parts = (explain + text).split(store.engine === 'sqlite' ? /\?/ : /\$\d+/)
  // The statement's own text, with its values where it had them.
  const query = parts
    .slice(1)
    .reduce((built, part, i) => sql`${built}${values[i]}${sql.raw(part)}`, sql.raw(parts[0] ?? ''))
  const { rows } = await query.execute(store.read)
  return rows.map((row) => JSON.stringify(row)).join('\n')
}

eachEngine(
  'with a hundred thousand waiting, looks and claims go by index, and another tenant is served at once',
  tidied(async (engine: Engine, t) => {
    const store = await openStore(engine, Date.now)
    t.after(() => store.close())
    const served: number[] = []
    let hung = 0
    const on = await openRig(store, {
      // The app with the backlog never answers; the other one does.
      post: async (url, _headers, _body, signal) => {
        if (url.includes('/hook')) {
          hung++
          await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
          return { answered: false, code: 'stopped' }
        }
        served.push(performance.now())
        return { answered: true, status: 204, retryAfter: undefined }
      },
    })
    const [delivery = ''] = await on.accept()
    const subscriptions = await Promise.all(Array.from({ length: SUBSCRIPTIONS }, () => on.subscribe('push')))
    await backlog(store, on.tenant, subscriptions, delivery, BACKLOG, on.clock())
    const other = await openRig(store, { post: on.post })
    await other.subscribe('push', { url: 'https://other.example/' })

    const [subscription = ''] = subscriptions
    const due = dueQuery(subscription, on.clock(), 8, store.engine).compile(store.read)
    const waiting = waitingQuery('').compile(store.read)
    for (const { sql: text, parameters } of [due, waiting]) {
      const found = await plan(store, text, parameters)
      assert.match(found, /dispatch_due/, found)
      assert.doesNotMatch(found, /SCAN d\b|SCAN dispatch\b|Seq Scan on dispatch/, found)
      assert.doesNotMatch(found, /TEMP B-TREE FOR (?:LAST|ORDER BY d)/, found)
    }
    const queue = new Queue(on)
    const began = performance.now()
    assert.ok((await queue.look(() => true)).length >= SUBSCRIPTIONS)
    assert.ok(performance.now() - began < 500, `a look took ${performance.now() - began} ms`)

    const gate = startDelivery(on, { ...PUSH_LIMITS, tickMs: 200 })
    t.after(() => gate.close(0))
    await until(() => hung >= PUSH_LIMITS.tenant)
    const acceptedAt = performance.now()
    await other.accept(1)
    await until(() => served.length === 1)
    const waited = (served[0] ?? Infinity) - acceptedAt
    assert.ok(waited < 1_000, `the other tenant waited ${waited} ms`)
    assert.equal(hung, PUSH_LIMITS.tenant, 'one tenant holds its share and no more')
  }),
)
