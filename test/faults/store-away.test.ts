/**
 * A gate whose store goes away: 503 with `Retry-After`, not ready, alive, and well again without a restart. In: PostgreSQL
 * behind a line that can be cut or frozen, SQLite locked by another process or out of room. Out: nothing. Refuses a 2xx
 * for what was not written.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { testDatabase } from '../support/postgres.ts'
import { reasonToSkip } from '../support/presence.ts'
import { type Gate, startGate } from '../support/gate.ts'
import { type Line, lineToUrl, through } from './cuttable.ts'
import { type Furnished, furnish } from './furnished.ts'
import { type Heard, post, statusOf } from './post.ts'
import { runGate } from './run-gate.ts'

/** Milliseconds until a gate has found its store again: it looks each second. */
const FOUND_AGAIN = 10_000

test('PostgreSQL is cut off: 503 until it is back, then as before', async (t) => {
  await withPostgres(t, async (line, gate, house) => {
    const hook = gate.publicUrl + house.path
    assert.equal((await post(hook, house.secret, event('before'))).status, 200)
    line.cut()
    assert503(await post(hook, house.secret, event('during')))
    // What is not known cannot be told from what cannot be looked up now.
    assert503(await post(`${gate.publicUrl}/in/chn_nobodyknowsthisoneatall`, house.secret, event('x')))
    assert.equal(await statusOf(`${gate.publicUrl}/readyz`), 503)
    assert.equal(await statusOf(`${gate.publicUrl}/healthz`), 200)
    const refused = await fetch(`${gate.adminUrl}/v1/tenants`, {
      headers: { authorization: `Bearer ${house.token}` },
    })
    assert.equal(refused.status, 503)
    assert.ok(Number(refused.headers.get('retry-after')) > 0)
    assert.ok(!(await refused.text()).includes('postgres'))
    line.pass()
    await wellAgain(gate, hook, house.secret)
    // The sender repeats what was refused; what was taken before is known as taken.
    assert.equal((await post(hook, house.secret, event('during'))).status, 200)
    assert.equal((await post(hook, house.secret, event('before'))).status, 200)
    assert.deepEqual(await deliveries(house), 3)
  })
})

test('PostgreSQL hangs: nothing is acknowledged, the gate is not ready, and it is well again after', async (t) => {
  await withPostgres(t, async (line, gate, house) => {
    const hook = gate.publicUrl + house.path
    assert.equal((await post(hook, house.secret, event('before'))).status, 200)
    line.freeze()
    const waiting = [1, 2, 3].map((i) => post(hook, house.secret, event(`during ${i}`)))
    assert.equal(await statusOf(`${gate.publicUrl}/readyz`), 503)
    assert.equal(await statusOf(`${gate.publicUrl}/healthz`), 200)
    for (const heard of await Promise.all(waiting)) assert503(heard)
    line.pass()
    await wellAgain(gate, hook, house.secret)
    for (const i of [1, 2, 3])
      assert.equal((await post(hook, house.secret, event(`during ${i}`))).status, 200)
    assert.deepEqual(await deliveries(house), 5)
  })
})

test('PostgreSQL ends every connection under load: nothing acknowledged is lost', async (t) => {
  await withPostgres(t, async (line, gate, house) => {
    const hook = gate.publicUrl + house.path
    const sent = Array.from({ length: 120 }, async (_, i) => {
      await pause(i * 5)
      return { id: `event-${i}`, ...(await post(hook, house.secret, event(`event-${i}`))) }
    })
    for (let i = 0; i < 3; i++) {
      await pause(120)
      line.cut()
      await pause(20)
      line.pass()
    }
    const heard = await Promise.all(sent)
    for (const one of heard) if (one.status !== 200) assert503(one)
    assert.ok(heard.some(({ status }) => status === 200) && heard.some(({ status }) => status === 503))
    await wellAgain(gate, hook, house.secret)
    // Repeats of all of them make the number exact: none is there twice.
    for (const { id } of heard) assert.equal((await post(hook, house.secret, event(id))).status, 200)
    assert.deepEqual(await deliveries(house), 121)
  })
})

test('SQLite locked by another process: 503 after the wait for the lock, then as before', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-away-'))
  const data = join(folder, 'data')
  const gate = await startGate({ data, env: { GATEHOUSE_INGRESS_RATE: '0' } })
  try {
    const house = await furnish(gate.adminUrl, gate.claim ?? '')
    const hook = gate.publicUrl + house.path
    assert.equal((await post(hook, house.secret, event('before'))).status, 200)
    const other = new DatabaseSync(join(data, 'gatehouse.db'))
    other.exec('BEGIN EXCLUSIVE')
    const waiting = post(hook, house.secret, event('during'))
    assert.equal(await statusOf(`${gate.publicUrl}/readyz`), 503)
    assert.equal(await statusOf(`${gate.publicUrl}/healthz`), 200)
    assert503(await waiting)
    other.exec('ROLLBACK')
    other.close()
    await wellAgain(gate, hook, house.secret)
    assert.equal((await post(hook, house.secret, event('during'))).status, 200)
    assert.deepEqual(await deliveries(house), 3)
  } finally {
    await gate.kill()
    rmSync(folder, { recursive: true, force: true })
  }
})

/** Largest file a process may write: less than what the test sends, more than an empty store and its log. */
const ROOM_KIB = 7 * 1024

test('SQLite with no room left: 503, and what was acknowledged is there after', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-full-'))
  const asked = { data: join(folder, 'data'), env: { GATEHOUSE_INGRESS_RATE: '0' } }
  const limited = ['sh', '-c', `ulimit -S -f $((${ROOM_KIB} * 2)); exec "$@"`, 'sh']
  const run = runGate({ ...asked, before: limited })
  try {
    const { public: publicUrl, admin, claim } = await run.ready()
    const house = await furnish(admin, claim ?? '')
    const hook = publicUrl + house.path
    const taken: string[] = []
    let full: Heard | undefined
    for (let i = 0; i < 100 && full === undefined; i++) {
      const heard = await post(hook, house.secret, big(`big-${i}`))
      if (heard.status === 200) taken.push(`big-${i}`)
      else full = heard
    }
    assert.ok(full, 'the file did fill up')
    assert.ok(taken.length > 5, `${taken.length} taken`)
    assert503(full)
    assert503(await post(hook, house.secret, big('one more')))
    assert.equal(await statusOf(`${publicUrl}/healthz`), 200)
    if (hasRoomAgain(run.child.pid)) {
      assert.equal((await post(hook, house.secret, big('with room'))).status, 200)
      taken.push('with room')
      assert.equal(await statusOf(`${publicUrl}/readyz`), 200)
    } else t.diagnostic('there is no prlimit here: the room comes back with a restart only')
    run.child.kill('SIGKILL')
    await run.ended()
    await stillThere(asked.data, house, taken)
  } finally {
    run.child.kill('SIGKILL')
    await run.ended()
    rmSync(folder, { recursive: true, force: true })
  }
})

async function stillThere(data: string, house: Furnished, taken: readonly string[]): Promise<void> {
  const gate = await startGate({ data, env: { GATEHOUSE_INGRESS_RATE: '0' } })
  const database = new DatabaseSync(join(data, 'gatehouse.db'), { readOnly: true })
  const count = () => Number(database.prepare('SELECT count(*) AS n FROM inbox').get()?.['n'])
  try {
    assert.equal(count(), taken.length)
    for (const id of taken)
      assert.equal((await post(gate.publicUrl + house.path, house.secret, big(id))).status, 200)
    assert.equal(count(), taken.length)
    assert.equal(database.prepare('PRAGMA integrity_check').get()?.['integrity_check'], 'ok')
  } finally {
    database.close()
    assert.equal(await gate.stop(), 0)
  }
}

async function withPostgres(
  t: { skip(reason: string): void },
  body: (line: Line, gate: Gate, house: Furnished) => Promise<void>,
): Promise<void> {
  let database
  try {
    database = await testDatabase()
  } catch (error) {
    t.skip(reasonToSkip('postgres', error))
    return
  }
  const line = await lineToUrl(database.url)
  const env = { GATEHOUSE_DATABASE_URL: through(line, database.url), GATEHOUSE_INGRESS_RATE: '0' }
  try {
    const gate = await startGate({ env })
    try {
      await body(line, gate, await furnish(gate.adminUrl, gate.claim ?? ''))
    } finally {
      await gate.kill()
    }
  } finally {
    await line.close()
    await database.drop()
  }
}

/** One delivery more; the gate's own process was never replaced, since its port is the same. */
async function wellAgain(gate: Gate, hook: string, secret: string): Promise<void> {
  const end = performance.now() + FOUND_AGAIN
  for (;;) {
    const { status } = await post(hook, secret, event('after'))
    if (status === 200 && (await statusOf(`${gate.publicUrl}/readyz`)) === 200) return
    assert.ok(performance.now() < end, `the gate is not well again: it answers ${status}`)
    await pause(100)
  }
}

async function deliveries({ admin, tenant }: Furnished): Promise<number> {
  let count = 0
  for (let cursor: string | null | undefined; cursor !== null;) {
    const page = await admin.listDeliveries(tenant, { limit: 100, ...(cursor !== undefined && { cursor }) })
    count += page.items.length
    cursor = page.next
  }
  return count
}

function assert503({ status, headers, ms }: Heard): void {
  assert.equal(status, 503, `${status} after ${Math.round(ms)} ms`)
  assert.ok(Number(headers['retry-after']) > 0)
}

function hasRoomAgain(pid: number | undefined): boolean {
  return spawnSync('prlimit', ['--pid', String(pid), '--fsize=unlimited:unlimited']).status === 0
}

function event(id: string): string {
  return JSON.stringify({ id, text: 'a delivery' })
}

function big(id: string): string {
  return JSON.stringify({ id, text: 'x'.repeat(300_000) })
}
