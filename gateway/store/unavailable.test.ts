/**
 * A store that is away, frozen or locked: callers hear `StoreUnavailable` within a bound, the process lives, and the next
 * write after the trouble works. In: real trouble, made on purpose. Out: nothing. Refuses a hang and a wrong error.
 */
import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { type Line, lineToUrl, through } from '../../test/faults/cuttable.ts'
import { sql } from 'kysely'
import {
  type Postgres,
  postgresTest,
  sqlBeside,
  sqliteTest,
  within,
  withStore,
  withTwoStores,
} from './opened.fixture.ts'
import { type Store, StoreUnavailable } from './store.ts'

/** Milliseconds; what takes fifteen seconds otherwise. */
const SHORT = { bodyMs: 400, lockMs: 300 }

postgresTest('a connection that the server ends in the middle of a transaction', async (engine) => {
  await withStore(engine, async (store) => {
    await assert.rejects(
      store.write(async (tx) => {
        await remember(tx.db, 'lost')
        const { rows } = await sql<{ pid: number }>`SELECT pg_backend_pid() AS pid`.execute(tx.db)
        await sqlBeside(engine, `SELECT pg_terminate_backend(${rows[0]?.pid})`)
        await remember(tx.db, 'lost too')
      }),
      StoreUnavailable,
    )
    await store.write(async (tx) => await remember(tx.db, 'next'))
    assert.deepEqual(await keys(store), ['next'])
  })
})

postgresTest('a connection that the server ends in the middle of a read', async (engine) => {
  await withStore(engine, async (store) => {
    const reading = assert.rejects(sql`SELECT pg_sleep(3)`.execute(store.read), StoreUnavailable)
    await pause(100)
    await endAll(engine)
    await reading
  })
})

postgresTest('all connections ended while nothing happens: the next write works', async (engine) => {
  await withStore(engine, async (store) => {
    await Promise.all(Array.from({ length: 8 }, () => store.ping()))
    await endAll(engine)
    // The pool hears of it a moment later; until then a write may be told to come again.
    assert.ok(
      await within(2_000, async () => {
        try {
          await store.write(async (tx) => await remember(tx.db, 'next'))
          return true
        } catch (error) {
          assert.ok(error instanceof StoreUnavailable, String(error))
          return false
        }
      }),
    )
    assert.deepEqual(await keys(store), ['next'])
  })
})

postgresTest('all connections ended under many writes: none is half there, none hangs', async (engine) => {
  await withStore(engine, async (store) => {
    const writes = Array.from({ length: 60 }, async (_, i) => {
      await pause(i * 3)
      await store.write(async (tx) => {
        await remember(tx.db, `${i} a`)
        await remember(tx.db, `${i} b`)
      })
      return i
    })
    const settled = Promise.allSettled(writes)
    for (const wait of [30, 60, 60]) {
      await pause(wait)
      await endAll(engine)
    }
    const outcomes = await settled
    const there = new Set(
      await within(2_000, async () => (await tried(store)) !== undefined).then(() => keys(store)),
    )
    for (const [i, outcome] of outcomes.entries()) {
      assert.equal(there.has(`${i} a`), there.has(`${i} b`), `write ${i}`)
      if (outcome.status === 'fulfilled') assert.ok(there.has(`${i} a`), `write ${i} was said to be durable`)
      else assert.ok(outcome.reason instanceof StoreUnavailable, String(outcome.reason))
    }
    assert.ok(
      outcomes.some(({ status }) => status === 'rejected'),
      'the test did its harm',
    )
  })
})

postgresTest('the listening connection is made again, and its topics are told', async (engine) => {
  await withTwoStores(engine, async (one, two) => {
    let heard = 0
    two.listen('config', () => heard++)
    assert.equal(await listeners(engine), 2)
    await sqlBeside(
      engine,
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gatehouse listener' AND datname = current_database()",
    )
    assert.ok(await within(3_000, async () => (await listeners(engine)) === 2))
    await pause(100)
    const before = heard
    await one.write(async (tx) => tx.announce('config'))
    // Sooner than the poll of each second would say.
    assert.ok(await within(400, () => heard > before))
  })
})

postgresTest(
  'while the server is away the store asks for it about once a second, and finds it again',
  async (engine) => {
    await withLine(engine, async (line, options) => {
      await withStore(options, async (store) => {
        line.cut()
        const before = line.tried()
        await pause(5_200)
        const tries = line.tried() - before
        await assert.rejects(store.ping(), StoreUnavailable)
        line.pass()
        assert.ok(await within(3_000, async () => (await tried(store)) !== undefined))
        assert.ok(await within(3_000, async () => (await listeners(engine)) === 1))
        // One listener and one poll a second; twice that would already be a storm in the making.
        assert.ok(tries <= 14, `${tries} tries in five seconds`)
        await pause(1_200)
        assert.equal(await listeners(engine), 1)
      })
    })
  },
)

postgresTest(
  'a server that hangs is away: callers hear so in a bounded time, and it is found again',
  async (engine) => {
    await withLine(engine, async (line, options) => {
      await withStore(
        options,
        async (store) => {
          await store.ping()
          line.freeze()
          const began = performance.now()
          await assert.rejects(store.ping(), StoreUnavailable)
          assert.ok(performance.now() - began < 3_000)
          await assert.rejects(store.read.selectFrom('gate').selectAll().execute(), StoreUnavailable)
          line.pass()
          assert.ok(await within(4_000, async () => (await tried(store)) !== undefined))
        },
        SHORT,
      )
    })
  },
)

postgresTest('a gate that hangs in a transaction does not hold up the others', async (engine) => {
  await withLine(engine, async (line, options) => {
    await withStore(
      options,
      async (hanging) => {
        await withStore(engine, async (other) => {
          const held = hanging.write(async (tx) => {
            await lockHead(tx.db)
            line.freeze()
            await new Promise(() => {})
          })
          const refused = assert.rejects(held, StoreUnavailable)
          await pause(100)
          // Its session is ended by the server, so this waits and then has its turn.
          await other.write(async (tx) => await lockHead(tx.db))
          await refused
        })
        line.pass()
      },
      SHORT,
    )
  })
})

postgresTest('a lock that is held too long is given up', async (engine) => {
  await withTwoStores(engine, async (one) => {
    await withStore(
      engine,
      async (waiting) => {
        await one.write(async (tx) => {
          await lockHead(tx.db)
          await assert.rejects(
            waiting.write(async (other) => await lockHead(other.db)),
            StoreUnavailable,
          )
        })
        await waiting.write(async (tx) => await lockHead(tx.db))
      },
      SHORT,
    )
  })
})

postgresTest('transactions that wait for each other in a circle both end well', async (engine) => {
  await withTwoStores(engine, async (one, two) => {
    await one.write(async (tx) => {
      await remember(tx.db, 'a')
      await remember(tx.db, 'b')
    })
    const touch = async (store: Store, first: string, second: string) =>
      await store.write(async (tx) => {
        await change(tx.db, first)
        await pause(50)
        await change(tx.db, second)
      })
    await Promise.all([touch(one, 'a', 'b'), touch(two, 'b', 'a')])
  })
})

sqliteTest(
  'a file that another process has locked is unavailable, and then available again',
  async (engine) => {
    await withStore(
      engine,
      async (store) => {
        const other = new DatabaseSync(engine.file)
        other.exec('BEGIN EXCLUSIVE')
        const began = performance.now()
        const both = await Promise.allSettled([
          store.ping(),
          store.write(async (tx) => await remember(tx.db, 'refused')),
        ])
        for (const outcome of both)
          assert.ok(outcome.status === 'rejected' && outcome.reason instanceof StoreUnavailable)
        assert.ok(performance.now() - began < 2_000)
        // Reading goes on: the log holds the last committed state.
        assert.deepEqual(await keys(store), [])
        other.exec('ROLLBACK')
        other.close()
        await store.write(async (tx) => await remember(tx.db, 'next'))
        assert.deepEqual(await keys(store), ['next'])
      },
      SHORT,
    )
  },
)

sqliteTest('a file with no room left is unavailable, and nothing of the commit is there', async (engine) => {
  await withStore(engine, async (store) => {
    await store.write(async (tx) => await remember(tx.db, 'before'))
    // As small as it is now; the writer is asked, since the limit is the connection's own.
    const setLimit = (pages: number) =>
      store.write(async (tx) => void (await sql`PRAGMA max_page_count = ${sql.lit(pages)}`.execute(tx.db)))
    await setLimit(1)
    const big = Buffer.alloc(200_000)
    const both = await Promise.allSettled([
      store.write(async (tx) => {
        await remember(tx.db, 'beside')
        await tx.db
          .insertInto('claim_code')
          .values({ hash: big, created_at: 1, expires_at: 1, used_at: null })
          .execute()
      }),
      store.write(async (tx) => await remember(tx.db, 'small')),
    ])
    const [full, beside] = both
    assert.ok(full.status === 'rejected' && full.reason instanceof StoreUnavailable, JSON.stringify(both))
    const there = await keys(store)
    assert.ok(!there.includes('beside'))
    // It shared the commit: taken back with it, and told so in the same words.
    assert.ok(
      beside.status === 'fulfilled' || beside.reason instanceof StoreUnavailable,
      JSON.stringify(both),
    )
    assert.equal(there.includes('small'), beside.status === 'fulfilled')
    await setLimit(1_000_000)
    await store.write(async (tx) => await remember(tx.db, 'next'))
    assert.ok((await keys(store)).includes('next'))
    assert.ok((await keys(store)).includes('before'))
  })
})

async function withLine(
  engine: Postgres,
  body: (line: Line, options: Postgres) => Promise<void>,
): Promise<void> {
  const line = await lineToUrl(engine.url)
  try {
    await body(line, { engine: 'postgres', url: through(line, engine.url) })
  } finally {
    await line.close()
  }
}

async function endAll(engine: Postgres): Promise<void> {
  await sqlBeside(
    engine,
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  )
}

async function listeners(engine: Postgres): Promise<number> {
  const rows = await sqlBeside(
    engine,
    "SELECT 1 FROM pg_stat_activity WHERE application_name = 'gatehouse listener' AND datname = current_database()",
  )
  return rows.length
}

/** The store's rows, or undefined while it is away; nothing else may come of it. */
async function tried(store: Store): Promise<true | undefined> {
  try {
    await store.ping()
    return true
  } catch (error) {
    assert.ok(error instanceof StoreUnavailable, String(error))
    return undefined
  }
}

async function keys(store: Store): Promise<string[]> {
  const rows = await store.read.selectFrom('replay_memory').select('key').orderBy('key').execute()
  return rows.map(({ key }) => key.toString())
}

async function remember(db: Store['read'], key: string): Promise<void> {
  const row = { key: Buffer.from(key), delivery_id: 'dlv_1', expires_at: 1 }
  await db.insertInto('replay_memory').values(row).execute()
}

async function change(db: Store['read'], key: string): Promise<void> {
  await db.updateTable('replay_memory').set({ expires_at: 2 }).where('key', '=', Buffer.from(key)).execute()
}

async function lockHead(db: Store['read']): Promise<void> {
  await db.updateTable('audit_head').set({ id: 1 }).where('id', '=', 1).execute()
}
