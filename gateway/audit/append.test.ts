/**
 * The audit log on both engines: contiguous under concurrent writers of two gates, chained so that its entries alone prove
 * it, one with the mutation it tells of, and content-free. In: events. Out: nothing. Refuses a gap, a fork and a leak.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonical, type Json } from '@gatehouse/proof/canonical.ts'
import { chained, GENESIS } from '@gatehouse/proof/chain.ts'
import { eachEngine } from '../../test/support/engines.ts'
import { withStore, withTwoStores } from '../store/opened.fixture.ts'
import type { Schema } from '../store/schema.ts'
import type { Store } from '../store/store.ts'
import { append, appendAll } from './append.ts'
import { AUDIT_ACTIONS, type AuditAction, type AuditEvent, checkedDetails } from './events.ts'

const NOW = 1_700_000_000_000
const CANARY = 'canary-4f1c'

eachEngine('200 writers at once over two gates: one sequence without a gap, one chain', async (engine) => {
  await withTwoStores(engine, async (one, two) => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 200 }, (_, i) =>
        (i % 2 === 0 ? one : two).write(async (tx) => {
          await tx.insertMany('replay_memory', [memory(i)])
          const events = Array.from({ length: 1 + (i % 3) }, () => event(`dlv_${i}`))
          const last = await appendAll(tx, events, NOW + i)
          // After the append: the numbers it took must be given back.
          if (i % 5 === 0) throw new Error('after the append')
          return last
        }),
      ),
    )
    const entries = await verified(one)
    const expected = [...outcomes.keys()]
      .filter((i) => i % 5 !== 0)
      .flatMap((i) => Array(1 + (i % 3)).fill(`dlv_${i}`) as string[])
    assert.deepEqual(entries.map(({ target }) => target).sort(byText), expected.sort(byText))
    for (const [i, outcome] of outcomes.entries()) {
      assert.equal(outcome.status === 'rejected', i % 5 === 0)
      if (outcome.status === 'fulfilled') assert.equal(entries[outcome.value - 1]?.target, `dlv_${i}`)
    }
    // The leaf and what it tells of are there together.
    const kept = await one.read.selectFrom('replay_memory').select('delivery_id').execute()
    assert.deepEqual(new Set(kept.map((row) => row.delivery_id)), new Set(expected))
  })
})

eachEngine('an event that its schema does not allow takes the mutation back', async (engine) => {
  await withStore(engine, async (store) => {
    // Boundaries: what the types forbid is refused at run time as well.
    const wrong: readonly unknown[] = [
      { ...event('dlv_1'), details: { body: CANARY } },
      { ...event('dlv_1'), details: { [CANARY]: 1 } },
      { ...event('dlv_1'), details: { kind: { text: CANARY } } },
      { ...event('dlv_1'), details: { kind: [CANARY] } },
      { ...event('dlv_1'), details: { __proto__: null, toString: CANARY } },
      { ...event('dlv_1'), action: 'delivery.invented', details: {} },
      { ...event('dlv_1'), action: 'toString', details: {} },
      { ...event('dlv_1'), target: 'lone \ud800 surrogate' },
    ]
    for (const [i, one] of wrong.entries()) {
      await assert.rejects(
        store.write(async (tx) => {
          await tx.insertMany('replay_memory', [memory(i)])
          await append(tx, one as AuditEvent, NOW)
        }),
        JSON.stringify(one),
      )
    }
    assert.deepEqual(await store.read.selectFrom('replay_memory').selectAll().execute(), [])
    assert.deepEqual(await verified(store), [])
    assert.equal(await store.write((tx) => append(tx, event('dlv_1'), NOW)), 1)
  })
})

eachEngine('a change, a cut, a swap and an insertion in the stored log each show', async (engine) => {
  await withStore(engine, async (store) => {
    const events = Array.from({ length: 6 }, (_, i) => event(`dlv_${i}`))
    assert.equal(await store.write((tx) => appendAll(tx, events, NOW)), 6)
    const entries = (await verified(store)).map(({ entry }) => entry)
    const head = (await store.read.selectFrom('audit_head').selectAll().executeTakeFirstOrThrow()).hash
    const ends = (list: readonly string[]) =>
      list.reduce<Buffer>((hash, entry) => chained(hash, entry), GENESIS).equals(head)
    assert.equal(ends(entries), true)
    const [first = '', second = ''] = entries
    assert.equal(ends(entries.with(0, first.replace('dlv_0', 'dlv_9'))), false)
    assert.equal(ends(entries.slice(0, -1)), false)
    assert.equal(ends(entries.slice(1)), false)
    assert.equal(ends(entries.with(0, second).with(1, first)), false)
    assert.equal(ends([...entries, first]), false)
  })
})

test('every action takes the details it declares, and no other name', () => {
  for (const [action, names] of Object.entries(AUDIT_ACTIONS) as [AuditAction, readonly string[]][]) {
    const details = Object.fromEntries(names.map((name, i) => [name, [`x${i}`, i, true][i % 3] ?? '']))
    assert.deepEqual(checkedDetails({ ...event('x'), action, details }), details)
    for (const name of ['body', 'text', 'secret', 'value', 'token_value', CANARY, 'headers', 'user'])
      assert.throws(
        () => checkedDetails({ ...event('x'), action, details: { ...details, [name]: CANARY } }),
        action,
      )
  }
})

test('the text of a detail is bounded, and whole characters remain', () => {
  const long = {
    ...event('x'),
    action: 'token.revoked',
    details: { reason: `${'a'.repeat(499)}\u{1f600}${'b'.repeat(99)}` },
  }
  const { reason } = checkedDetails(long as AuditEvent)
  assert.ok(typeof reason === 'string' && reason.length <= 500 && reason.isWellFormed())
})

/** The log, after checking sequence, chain and head from the entries' text alone. */
async function verified(store: Store): Promise<Schema['audit_entry'][]> {
  const rows = await store.read.selectFrom('audit_entry').selectAll().orderBy('seq').execute()
  let hash = GENESIS
  for (const [i, row] of rows.entries()) {
    assert.equal(row.seq, i + 1)
    hash = chained(hash, row.entry)
    assert.deepEqual(row.hash, hash)
    const said = JSON.parse(row.entry) as { [name: string]: Json }
    assert.equal(canonical(said), row.entry)
    assert.deepEqual(
      [said['seq'], said['tenant'], said['action'], said['target'], said['at']],
      [row.seq, row.tenant_id, row.action, row.target, new Date(row.at).toISOString()],
    )
  }
  const head = await store.read.selectFrom('audit_head').selectAll().executeTakeFirstOrThrow()
  assert.deepEqual({ seq: head.seq, hash: head.hash }, { seq: rows.length, hash })
  return rows
}

function event(target: string): AuditEvent {
  return {
    action: 'delivery.accepted',
    tenant: 'ten_1',
    actor: 'source:slack',
    target,
    outcome: 'allowed',
    requestId: 'req_1',
    details: { channel: 'chn_1', kind: 'message', credential: 'crd_1' },
  }
}

function memory(i: number): Schema['replay_memory'] {
  return { key: Buffer.from(`key ${i}`), delivery_id: `dlv_${i}`, expires_at: 1 }
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
