/**
 * What rooms rely on, on both engines: what `insertMany` answers, that transactions that share a commit fail alone, that a
 * transaction is over when it is over, and that changes are told after they can be read. In: an empty store. Out: nothing.
 */
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { eachEngine } from '../../test/support/engines.ts'
import { postgresTest, sqlBeside, within, withStore, withTwoStores } from './opened.fixture.ts'
import { BULK_TABLES } from './postgres-bulk.ts'
import type { Schema } from './schema.ts'
import { type Store, StoreUnavailable, type Tx } from './store.ts'

/** Milliseconds a hanging transaction may take in these tests. */
const BODY_MS = 250

eachEngine('insertMany answers row by row which went in', async (engine) => {
  await withStore(engine, async (store) => {
    const first = await store.write((tx) =>
      tx.insertMany('replay_memory', [
        memory('b', 'dlv_1'),
        memory('a', 'dlv_2'),
        memory('b', 'dlv_3'),
        memory('c', 'dlv_4'),
        memory('a', 'dlv_5'),
        memory('b', 'dlv_6'),
      ]),
    )
    assert.deepEqual(first, [true, true, false, true, false, false])
    const second = await store.write((tx) =>
      tx.insertMany('replay_memory', [memory('c', 'dlv_7'), memory('d', 'dlv_8'), memory('d', 'dlv_9')]),
    )
    assert.deepEqual(second, [false, true, false])
    assert.deepEqual(await store.write((tx) => tx.insertMany('replay_memory', [])), [])
    const rows = await store.read.selectFrom('replay_memory').selectAll().orderBy('key').execute()
    // Of rows with one key it is the first that went in.
    assert.deepEqual(
      rows.map((row) => [row.key.toString(), row.delivery_id]),
      [
        ['a', 'dlv_2'],
        ['b', 'dlv_1'],
        ['c', 'dlv_4'],
        ['d', 'dlv_8'],
      ],
    )
  })
})

eachEngine('insertMany gives back each kind of value as it went in', async (engine) => {
  await withStore(engine, async (store) => {
    const rows = [inboxRow('dlv_1', null), inboxRow('dlv_2', 1_700_000_000_123)]
    assert.deepEqual(await store.write((tx) => tx.insertMany('inbox', rows)), [true, true])
    const query = (db: Store['read']) => db.selectFrom('inbox').selectAll().orderBy('id').execute()
    for (const found of [await query(store.read), await store.write((tx) => query(tx.db))])
      assert.deepEqual(
        found.map((row) => ({ ...row })),
        rows,
      )
  })
})

eachEngine('of many that insert one key at once exactly one is told that it went in', async (engine) => {
  await withTwoStores(engine, async (one, two) => {
    const tries = Array.from({ length: 60 }, async (_, i) => {
      const [wasFirst] = await (i % 2 === 0 ? one : two).write((tx) =>
        tx.insertMany('replay_memory', [memory('same', `dlv_${i}`)]),
      )
      return wasFirst
    })
    assert.equal((await Promise.all(tries)).filter(Boolean).length, 1)
    assert.equal((await keys(one)).length, 1)
  })
})

eachEngine('one failing transaction among many takes only itself back', async (engine) => {
  await withStore(engine, async (store) => {
    const wrong = new Error('the body failed')
    const outcomes = await Promise.allSettled(
      Array.from({ length: 40 }, (_, i) =>
        store.write(async (tx) => {
          await tx.insertMany('replay_memory', [memory(`first ${i}`), memory(`second ${i}`)])
          if (i % 4 === 1) throw wrong
          // A statement that the database refuses, in the middle of a shared commit.
          if (i % 4 === 3)
            await tx.db
              .insertInto('replay_memory')
              .values(memory(`first ${i}`))
              .execute()
          return i
        }),
      ),
    )
    const expected = new Set<string>()
    for (const [i, outcome] of outcomes.entries()) {
      if (i % 2 === 1) {
        assert.equal(outcome.status, 'rejected')
        if (i % 4 === 1) assert.equal(outcome.status === 'rejected' && outcome.reason, wrong)
        continue
      }
      assert.deepEqual(outcome, { status: 'fulfilled', value: i })
      expected.add(`first ${i}`).add(`second ${i}`)
    }
    assert.deepEqual(new Set(await keys(store)), expected)
    // What was taken back is free again.
    assert.deepEqual(await store.write((tx) => tx.insertMany('replay_memory', [memory('first 1')])), [true])
  })
})

eachEngine('a transaction that has ended takes no more statements', async (engine) => {
  await withStore(engine, async (store) => {
    const kept: Tx[] = []
    await store.write(async (tx) => void kept.push(tx))
    await assert.rejects(
      store.write(async (tx) => {
        kept.push(tx)
        throw new Error('taken back')
      }),
    )
    for (const tx of kept) {
      // Beside a transaction that is open, where a late statement would do harm.
      await store.write(async (open) => {
        await open.db.selectFrom('gate').selectAll().execute()
        await assert.rejects(
          async () => await tx.db.insertInto('replay_memory').values(memory('late')).execute(),
        )
        await assert.rejects(async () => await tx.insertMany('replay_memory', [memory('late, many')]))
      })
    }
    assert.deepEqual(await keys(store), [])
  })
})

eachEngine('a statement that comes while its transaction is being ended is refused too', async (engine) => {
  await withStore(engine, async (store) => {
    for (const fails of [true, false]) {
      const late: Promise<string>[] = []
      const told = (work: Promise<unknown>) =>
        late.push(
          work.then(
            () => 'went in',
            () => 'refused',
          ),
        )
      const written = store.write(async (tx) => {
        // After the body has ended, before the database has answered COMMIT or ROLLBACK.
        setImmediate(() => {
          told(tx.insertMany('replay_memory', [memory('late, many')]))
          told(tx.db.insertInto('replay_memory').values(memory('late')).execute())
        })
        if (fails) throw new Error('the body failed')
      })
      await Promise.allSettled([written])
      await pause(50)
      assert.deepEqual(await Promise.all(late), ['refused', 'refused'])
    }
    assert.deepEqual(await keys(store), [])
  })
})

eachEngine('a transaction that hangs is taken back, and the others go on', async (engine) => {
  await withStore(
    engine,
    async (store) => {
      const stuck = Promise.withResolvers<void>()
      let late: unknown
      const hanging = store.write(async (tx) => {
        await tx.insertMany('replay_memory', [memory('hanging')])
        await stuck.promise
        late = await tx.insertMany('replay_memory', [memory('late')]).catch((error: unknown) => error)
      })
      const refused = assert.rejects(hanging, StoreUnavailable)
      const other = store.write((tx) => tx.insertMany('replay_memory', [memory('other')]))
      assert.deepEqual(await other, [true])
      await refused
      await store.write(async (tx) => {
        stuck.resolve()
        await pause(20)
        await tx.insertMany('replay_memory', [memory('after')])
      })
      assert.ok(await within(1_000, () => late instanceof Error))
      assert.deepEqual(await keys(store), ['after', 'other'])
    },
    { bodyMs: BODY_MS },
  )
})

eachEngine('listeners hear after the commit, and nothing of what was taken back', async (engine) => {
  await withStore(engine, async (store) => {
    const heard: string[][] = []
    let calls = 0
    const silence = store.listen('config', () => {
      calls++
      void keys(store).then((seen) => heard.push(seen))
    })
    await assert.rejects(
      store.write(async (tx) => {
        tx.announce('config')
        throw new Error('taken back')
      }),
    )
    await pause(100)
    assert.deepEqual(heard, [])
    await store.write(async (tx) => {
      tx.announce('config')
      await pause(50)
      assert.deepEqual(heard, [])
      await tx.insertMany('replay_memory', [memory('a')])
    })
    assert.ok(await within(1_500, () => heard.length > 0))
    assert.deepEqual(heard[0], ['a'])
    silence()
    const before = calls
    await store.write(async (tx) => tx.announce('config'))
    await pause(100)
    assert.equal(calls, before)
  })
})

eachEngine('another gate over the same database hears, within a second and some', async (engine) => {
  await withTwoStores(engine, async (one, two) => {
    const heard = { config: 0, dispatch: 0 }
    two.listen('config', () => heard.config++)
    two.listen('dispatch', () => heard.dispatch++)
    // The first look only learns what the generation is.
    await pause(100)
    const before = { ...heard }
    await one.write(async (tx) => {
      tx.announce('config')
      tx.announce('dispatch')
    })
    assert.ok(await within(1_500, () => heard.config > before.config && heard.dispatch > before.dispatch))
    if (engine.engine === 'postgres') return
    // Where it is asked for each second, one change is one announcement of configuration.
    await pause(1_200)
    assert.equal(heard.config, before.config + 1)
  })
})

eachEngine(
  'ping writes; a closed store refuses as unavailable, after ending what it had begun',
  async (engine) => {
    const kept = await withStore(engine, async (store) => {
      await store.ping()
      const [row] = await store.read.selectFrom('gate').selectAll().where('key', '=', 'ping').execute()
      assert.equal(row?.value, 'pong')
      const begun = store.write(async (tx) => {
        await pause(50)
        await tx.insertMany('replay_memory', [memory('begun')])
      })
      await pause(10)
      await store.close()
      await begun
      return store
    }).catch((error: unknown) => assert.fail(String(error)))
    await assert.rejects(
      kept.write(async () => {}),
      StoreUnavailable,
    )
    await assert.rejects(kept.ping(), StoreUnavailable)
    assert.equal((await sqlBeside(engine, 'SELECT * FROM replay_memory')).length, 1)
  },
)

eachEngine('the tables that are written in bulk are declared as the database has them', async (engine) => {
  await withStore(engine, async () => {
    for (const [table, { key, columns }] of Object.entries(BULK_TABLES)) {
      const found = await columnsOf(engine, table)
      assert.deepEqual(Object.keys(columns).toSorted(), [...found.keys()].toSorted(), table)
      if (engine.engine === 'postgres') assert.deepEqual(columns, Object.fromEntries(found), table)
      assert.equal(await primaryKey(engine, table), key, table)
    }
  })
})

postgresTest('a table that is not declared is not written in bulk on a guess', async (engine) => {
  await withStore(engine, async (store) => {
    const rows = [{ id: 'ten_1', name: 'a', created_at: 1 }]
    await assert.rejects(
      store.write((tx) => tx.insertMany('tenant', rows)),
      /not declared/,
    )
  })
})

async function columnsOf(engine: Engine, table: string): Promise<Map<string, string>> {
  const sql =
    engine.engine === 'sqlite'
      ? `SELECT name, type FROM pragma_table_info('${table}')`
      : `SELECT column_name AS name, data_type AS type FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name = '${table}' ORDER BY ordinal_position`
  return new Map((await sqlBeside(engine, sql)).map((row) => [String(row['name']), String(row['type'])]))
}

async function primaryKey(engine: Engine, table: string): Promise<string> {
  const sql =
    engine.engine === 'sqlite'
      ? `SELECT name FROM pragma_table_info('${table}') WHERE pk > 0`
      : `SELECT a.attname AS name FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
         WHERE i.indrelid = '${table}'::regclass AND i.indisprimary`
  return (await sqlBeside(engine, sql)).map((row) => String(row['name'])).join(', ')
}

type Engine = Parameters<typeof sqlBeside>[0]

async function keys(store: Store): Promise<string[]> {
  const rows = await store.read.selectFrom('replay_memory').select('key').orderBy('key').execute()
  return rows.map(({ key }) => key.toString())
}

function memory(key: string, delivery = 'dlv_0'): Schema['replay_memory'] {
  return { key: Buffer.from(key), delivery_id: delivery, expires_at: 4_102_444_800_000 }
}

function inboxRow(id: string, signedAt: number | null): Schema['inbox'] {
  return {
    id,
    tenant_id: 'ten_ä',
    channel_id: 'chn_1',
    source: "quoted ' and \\ and \n",
    kind: '',
    credential_id: 'crd_1',
    signed_at: signedAt,
    received_at: 4_102_444_800_000,
    size: 0,
    sealed: Buffer.from([0, 1, 92, 39, 255]),
  }
}
