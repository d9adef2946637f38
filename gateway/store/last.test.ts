/**
 * What a body does not wait for: it goes in with the commit, or the commit does not happen. On both engines, alone and
 * beside others. In: an empty store. Out: nothing. Refuses half a transaction.
 */
import assert from 'node:assert/strict'
import { CompiledQuery } from 'kysely'
import { eachEngine } from '../../test/support/engines.ts'
import { withStore } from './opened.fixture.ts'
import type { Schema } from './schema.ts'
import type { Store } from './store.ts'

eachEngine('what is sent last is kept with the rest', async (engine) => {
  await withStore(engine, async (store) => {
    await store.write(async (tx) => {
      assert.deepEqual(await tx.insertMany('replay_memory', [memory('a')]), [true])
      tx.insertLast('replay_memory', [memory('b'), memory('c')])
      tx.insertLast('replay_memory', [])
      tx.last(tx.db.updateTable('gate').set({ value: 'moved' }).where('key', '=', 'ping').compile())
    })
    assert.deepEqual(await keys(store), ['a', 'b', 'c'])
    const ping = await store.read.selectFrom('gate').select('value').where('key', '=', 'ping').execute()
    assert.equal(ping[0]?.value, 'moved')
  })
})

eachEngine('a row that cannot go in last takes the transaction back', async (engine) => {
  await withStore(engine, async (store) => {
    await assert.rejects(
      store.write(async (tx) => {
        await tx.insertMany('replay_memory', [memory('a')])
        tx.insertLast('replay_memory', [memory('b'), memory('a')])
      }),
      /unique|duplicate/i,
    )
    assert.deepEqual(await keys(store), [])
    await store.write((tx) => tx.insertMany('replay_memory', [memory('next')]))
    assert.deepEqual(await keys(store), ['next'])
  })
})

eachEngine(
  'so does a statement, also when the body goes on and hides what follows from it',
  async (engine) => {
    await withStore(engine, async (store) => {
      await assert.rejects(
        store.write(async (tx) => {
          await tx.insertMany('replay_memory', [memory('a')])
          tx.last(CompiledQuery.raw('UPDATE nothing SET x = 1'))
          await new Promise((resolve) => setTimeout(resolve, 30))
          await keysIn(tx.db).catch(() => [])
        }),
        /nothing/,
      )
      assert.deepEqual(await keys(store), [])
    })
  },
)

eachEngine('beside others only the one that fails is taken back', async (engine) => {
  await withStore(engine, async (store) => {
    const outcomes = await Promise.allSettled(
      ['a', 'b', 'c'].map((name) =>
        store.write(async (tx) => {
          await tx.insertMany('replay_memory', [memory(name)])
          tx.insertLast('replay_memory', [memory(name === 'b' ? 'b' : `${name}2`)])
        }),
      ),
    )
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    )
    assert.deepEqual(await keys(store), ['a', 'a2', 'c', 'c2'])
  })
})

eachEngine('a body that fails leaves nothing of what it sent last', async (engine) => {
  await withStore(engine, async (store) => {
    await assert.rejects(
      store.write(async (tx) => {
        tx.insertLast('replay_memory', [memory('a')])
        throw new Error('changed its mind')
      }),
      /changed its mind/,
    )
    assert.deepEqual(await keys(store), [])
  })
})

function memory(key: string): Schema['replay_memory'] {
  return { key: Buffer.from(key), delivery_id: 'dlv_1', expires_at: 1 }
}

async function keys(store: Store): Promise<string[]> {
  return await keysIn(store.read)
}

async function keysIn(db: Store['read']): Promise<string[]> {
  const rows = await db.selectFrom('replay_memory').select('key').orderBy('key').execute()
  return rows.map(({ key }) => key.toString())
}
