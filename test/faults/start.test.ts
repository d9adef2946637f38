/**
 * A gate that will not start says why in one sentence, leaves with 1, soon, and prints no secret. In: ports in use, wrong
 * settings, folders open to others, databases that are not ours. Out: nothing. Refuses a stack trace, a hang and a leak.
 */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { DatabaseSync } from 'node:sqlite'
import { startGate } from '../support/gate.ts'
import { freePort } from '../support/free-port.ts'
import { furnish } from './furnished.ts'
import { post } from './post.ts'
import { runGate } from './run-gate.ts'

/** Stands for a secret in settings; nothing may print it. */
const CANARY = 'c4nary-5ecret-9b1f77'
/** Milliseconds; a server that is away is waited for a little. */
const SOON = 15_000

test('a port in use, on either listener, and the next start is as if nothing had been', async () => {
  await inFolder(async (data) => {
    const taken = createServer()
    await once(taken.listen(0, '127.0.0.1'), 'listening')
    const address = taken.address()
    const port = typeof address === 'object' ? address?.port : 0
    for (const name of ['GATEHOUSE_PUBLIC_LISTEN', 'GATEHOUSE_ADMIN_LISTEN']) {
      const said = await refuses(data, { [name]: `127.0.0.1:${port}` })
      assert.match(said, new RegExp(`listen on 127\\.0\\.0\\.1:${port}: the port is in use.*${name}`))
    }
    taken.close()
    const gate = await startGate({ data })
    assert.ok(gate.claim !== undefined)
    assert.equal(await gate.stop(), 0)
  })
})

test('all wrong settings at once, none with its secret', async () => {
  await inFolder(async (data) => {
    const said = await refuses(data, {
      GATEHOUSE_BODY_CAP: 'much',
      GATEHOUSE_PUBLIC_LISTEN: 'nowhere',
      GATEHOUSE_DRAIN_SECONDS: '-1',
      GATEHOUSE_DATABSE_URL: `postgres://user:${CANARY}@host/db`,
      GATEHOUSE_DATABASE_URL: `mysql://user:${CANARY}@host/db`,
      GATEHOUSE_REDIS_URL: `redis://user:${CANARY} @ @host:port`,
    })
    for (const name of ['BODY_CAP', 'PUBLIC_LISTEN', 'DRAIN_SECONDS', 'DATABSE_URL', 'DATABASE_URL'])
      assert.ok(said.includes(`GATEHOUSE_${name}`), `${name} in: ${said}`)
    assert.deepEqual(readdirSync(join(data, '..')), [], 'nothing was made')
  })
})

test('a placeholder where a secret belongs', async () => {
  await inFolder(async (data) => {
    assert.match(
      await refuses(data, { GATEHOUSE_DATABASE_URL: 'postgres://gate:changeme@127.0.0.1/gate' }),
      /placeholder/,
    )
  })
})

test('a PostgreSQL that is not there, or that will not let us in', async () => {
  await inFolder(async (data) => {
    const port = await freePort()
    const url = `postgres://gate:${CANARY}@127.0.0.1:${port}/gate`
    assert.match(
      await refuses(data, { GATEHOUSE_DATABASE_URL: url }),
      /open PostgreSQL: ECONNREFUSED; check GATEHOUSE_DATABASE_URL/,
    )
  })
})

test('a server that takes the connection and never speaks', async () => {
  await inFolder(async (data) => {
    const silent = createServer((socket) => socket.on('error', () => {}))
    await once(silent.listen(0, '127.0.0.1'), 'listening')
    const address = silent.address()
    const port = typeof address === 'object' ? address?.port : 0
    const url = `postgres://gate:${CANARY}@127.0.0.1:${port}/gate`
    assert.match(await refuses(data, { GATEHOUSE_DATABASE_URL: url }), /open PostgreSQL: .*timeout/)
    silent.close()
  })
})

test('a data folder or a root key that others may read', async () => {
  await inFolder(async (data) => {
    assert.equal(await (await startGate({ data })).stop(), 0)
    chmodSync(data, 0o755)
    assert.match(await refuses(data), /chmod/)
    chmodSync(data, 0o700)
    const key = readdirSync(data).find((name) => name.includes('key')) ?? ''
    chmodSync(join(data, key), 0o644)
    assert.match(await refuses(data), /chmod/)
    chmodSync(join(data, key), 0o600)
    assert.equal(await (await startGate({ data })).stop(), 0)
  })
})

test('another root key than the one the database was made with', async () => {
  await inFolder(async (data) => {
    const gate = await startGate({ data })
    const house = await furnish(gate.adminUrl, gate.claim ?? '')
    assert.equal(await gate.stop(), 0)
    const other = join(data, '..', 'other')
    assert.equal(await (await startGate({ data: other })).stop(), 0)
    const key = readdirSync(data).find((name) => name.includes('key')) ?? ''
    await swapped(join(data, key), join(other, key), async () => {
      assert.match(await refuses(data), /the root key does not open it.*put back the root key/)
    })
    // Refusing has changed nothing: with its own key all is as it was.
    const again = await startGate({ data })
    assert.equal((await post(again.publicUrl + house.path, house.secret, '{"id":"1"}')).status, 200)
    assert.equal(await again.stop(), 0)
  })
})

test('a database that is newer, was edited, or is no database', async () => {
  await inFolder(async (data) => {
    assert.equal(await (await startGate({ data })).stop(), 0)
    const file = join(data, 'gatehouse.db')
    change(
      file,
      "INSERT INTO migration (id, name, checksum, applied_at) VALUES (9999, 'of-tomorrow', 'x', 1)",
    )
    assert.match(await refuses(data), /of-tomorrow.*newer program/)
    change(file, 'DELETE FROM migration WHERE id = 9999')
    change(file, `UPDATE migration SET checksum = 'x' WHERE id = 1`)
    assert.match(await refuses(data), /edited after it ran/)
    for (const name of readdirSync(data).filter((one) => one.startsWith('gatehouse.db')))
      rmSync(join(data, name))
    writeFileSync(file, randomBytes(65_536), { mode: 0o600 })
    assert.match(await refuses(data), /open the database file: file is not a database; check the data folder/)
  })
})

test('a gate that was killed at its first start begins anew', async () => {
  await inFolder(async (data) => {
    for (const ms of [60, 120, 180, 240, 300, 360]) {
      const run = runGate({ data })
      await new Promise((resolve) => setTimeout(resolve, ms))
      run.child.kill('SIGKILL')
      await run.ended()
    }
    const gate = await startGate({ data })
    const house = await furnish(gate.adminUrl, gate.claim ?? '')
    assert.equal((await post(gate.publicUrl + house.path, house.secret, '{"id":"1"}')).status, 200)
    assert.equal(await gate.stop(), 0)
  })
})

/** What it says; every refusal has these properties. */
async function refuses(data: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const run = runGate({ data, env })
  const began = performance.now()
  const code = await run.ended()
  const said = run.stderr()
  assert.equal(code, 1, said)
  assert.ok(performance.now() - began < SOON, `it took ${performance.now() - began} ms`)
  assert.equal(run.stdout(), '')
  const lines = said.split('\n').filter((line) => line.startsWith('gatehouse: '))
  assert.ok(lines.length > 0, said)
  assert.doesNotMatch(said, /\n\s+at |unexpected|UnhandledPromise|ERR_/)
  assert.ok(!said.includes(CANARY), 'a secret was printed')
  return lines.join('\n')
}

async function inFolder(body: (data: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-start-'))
  try {
    await body(join(folder, 'data'))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function swapped(one: string, two: string, body: () => Promise<void>): Promise<void> {
  const turn = (): void => {
    renameSync(one, `${one}.aside`)
    renameSync(two, one)
    renameSync(`${one}.aside`, two)
  }
  turn()
  await body()
  turn()
}

function change(file: string, sql: string): void {
  const database = new DatabaseSync(file)
  database.exec(sql)
  database.close()
}
