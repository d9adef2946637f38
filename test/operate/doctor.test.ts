/**
 * `gatehouse doctor` as an operator meets it. In: gates that are well, and settings, folders, ports and addresses that are
 * not. Out: the line that says so, and the exit code. Refuses a doctor that makes or changes anything.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { gatehouse } from '../../cli/spawned.fixture.ts'
import { eachEngine } from '../support/engines.ts'
import { type House, openHouse } from '../support/ingress.ts'
import { redisOrSkip } from '../support/redis.ts'

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-doctor-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** Ports of nobody: what is not looked at must not be in the way. */
const QUIET = {
  GATEHOUSE_PUBLIC_LISTEN: '127.0.0.1:0',
  GATEHOUSE_ADMIN_LISTEN: '127.0.0.1:0',
  GATEHOUSE_URL: 'http://127.0.0.1:9',
}

interface Seen {
  readonly exit: number | null
  readonly text: string
  state(check: string): string | undefined
  detail(check: string): string
}

async function examine(env: Readonly<Record<string, string>>, words: readonly string[] = []): Promise<Seen> {
  const { exit, stdout, stderr } = await gatehouse(['doctor', '--json', ...words], {
    cwd: folder,
    env: { ...QUIET, ...env },
  })
  assert.equal(stderr, '')
  const { items } = JSON.parse(stdout) as {
    items: { check: string; state: string; detail: string; hint?: string }[]
  }
  for (const { state, hint } of items)
    assert.equal(hint === undefined, state === 'ok', 'what is not well has a hint')
  const worst = (check: string) =>
    items.filter((item) => item.check === check).toSorted((a, b) => rank(b.state) - rank(a.state))[0]
  return {
    exit,
    text: stdout,
    state: (check) => worst(check)?.state,
    detail: (check) => `${worst(check)?.detail} ${worst(check)?.hint}`,
  }
}

function rank(state: string): number {
  return ['ok', 'warning', 'error'].indexOf(state)
}

async function listening(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

function web(t: TestContext, answer: RequestListener): Promise<number> {
  return listening(t, createHttpServer(answer))
}

test('a place where no gate was started is well, and stays as it was', async () => {
  const data = join(folder, 'nothing')
  const seen = await examine({ GATEHOUSE_DATA: data })
  assert.equal(seen.exit, 0)
  assert.equal(seen.state('data-folder'), 'ok')
  assert.equal(seen.state('store'), 'ok')
  assert.ok(!existsSync(data))
})

test('unknown and malformed settings: each an error', async () => {
  const seen = await examine({ GATEHOUSE_BODYCAP: '1MiB', GATEHOUSE_DRAIN_SECONDS: 'soon' })
  assert.equal(seen.exit, 1)
  assert.match(seen.text, /GATEHOUSE_BODYCAP is not a setting, perhaps GATEHOUSE_BODY_CAP/)
  assert.match(seen.text, /GATEHOUSE_DRAIN_SECONDS is/)
})

test('binds: the public one without TLS and an admin one for all are warnings, both on one port an error', async () => {
  const open = await examine({ GATEHOUSE_PUBLIC_LISTEN: '0.0.0.0:0', GATEHOUSE_ADMIN_LISTEN: '0.0.0.0:0' })
  assert.equal(open.exit, 0)
  assert.deepEqual([open.state('public-bind'), open.state('admin-bind')], ['warning', 'warning'])
  assert.match(open.detail('public-bind'), /GATEHOUSE_PUBLIC_URL/)
  const clash = await examine({
    GATEHOUSE_PUBLIC_LISTEN: '0.0.0.0:8099',
    GATEHOUSE_ADMIN_LISTEN: '127.0.0.1:8099',
  })
  assert.deepEqual([clash.exit, clash.state('ports')], [1, 'error'])
})

test('a port that another program holds is an error', async (t) => {
  const port = await listening(
    t,
    createServer((socket) => socket.end('hello')),
  )
  const seen = await examine({ GATEHOUSE_ADMIN_LISTEN: `127.0.0.1:${port}` })
  assert.deepEqual([seen.exit, seen.state('admin-port')], [1, 'error'])
  assert.match(seen.detail('admin-port'), /another program/)
})

test('publicUrl: a page, a redirect and silence are errors', async (t) => {
  const page = await web(t, (_request, response) => response.end('ok\n'))
  const away = await web(t, (_request, response) =>
    response.writeHead(308, { location: 'https://example.com' }).end(),
  )
  const at = async (port: number) => await examine({ GATEHOUSE_PUBLIC_URL: `http://127.0.0.1:${port}` })
  assert.match((await at(page)).detail('public-url'), /no gate answers there \(status 200\)/)
  assert.match((await at(away)).detail('public-url'), /it redirects/)
  const silent = await at(9)
  assert.deepEqual([silent.exit, silent.state('public-url')], [1, 'error'])
})

test('a clock that is off: a warning from two seconds, an error from a minute', async (t) => {
  const gate =
    (ms: number): RequestListener =>
    (_request, response) => {
      response.setHeader('date', new Date(Date.now() + ms).toUTCString())
      response.setHeader('gatehouse-request-id', 'req_1')
      response
        .writeHead(404)
        .end('{"title":"There is no such channel","status":404,"code":"no-such-channel"}\n')
    }
  const at = async (ms: number) => {
    const seen = await examine({ GATEHOUSE_PUBLIC_URL: `http://127.0.0.1:${await web(t, gate(ms))}` })
    return [seen.state('public-url'), seen.state('proxy-clock')]
  }
  assert.deepEqual(await at(0), ['ok', 'ok'])
  assert.deepEqual(await at(30_000), ['ok', 'warning'])
  assert.deepEqual(await at(-300_000), ['ok', 'error'])
})

test('a database that is away is an error, without its password', async () => {
  const seen = await examine({ GATEHOUSE_DATABASE_URL: 'postgres://gate:canary-9d1@127.0.0.1:9/gate' })
  assert.deepEqual([seen.exit, seen.state('store')], [1, 'error'])
  assert.match(seen.detail('store'), /ECONNREFUSED/)
  assert.doesNotMatch(seen.text, /canary/)
})

test('Redis: away is a warning, since limits go on without it', async (t) => {
  const away = await examine({ GATEHOUSE_REDIS_URL: 'redis://127.0.0.1:9' })
  assert.deepEqual([away.exit, away.state('redis')], [0, 'warning'])
  const redis = await redisOrSkip(t)
  if (redis !== undefined)
    assert.equal((await examine({ GATEHOUSE_REDIS_URL: redis.url })).state('redis'), 'ok')
})

async function withHouse(
  engine: Parameters<typeof openHouse>[0],
  body: (house: House, env: Record<string, string>) => Promise<void>,
) {
  const house = await openHouse(engine)
  try {
    const database = engine.engine === 'postgres' ? { GATEHOUSE_DATABASE_URL: engine.url } : {}
    await body(house, { GATEHOUSE_DATA: house.data, GATEHOUSE_URL: house.gate.adminUrl, ...database })
  } finally {
    await house.close()
  }
}

eachEngine('a gate that runs is well in every respect', async (engine) => {
  await withHouse(engine, async (house, env) => {
    const { host } = new URL(house.gate.publicUrl)
    const before = readdirSync(house.data).toSorted()
    const seen = await examine({
      ...env,
      GATEHOUSE_PUBLIC_URL: house.gate.publicUrl,
      GATEHOUSE_PUBLIC_LISTEN: host,
    })
    const checks = [
      'settings',
      'data-folder',
      'public-port',
      'store',
      'migrations',
      'root-key',
      'admin',
      'gate-clock',
      'public-url',
    ]
    assert.deepEqual(
      checks.filter((check) => seen.state(check) !== 'ok'),
      [],
      seen.text,
    )
    assert.match(seen.detail('public-port'), /held by a gate that is ready/)
    if (engine.engine === 'postgres') assert.equal(seen.state('database-clock'), 'ok')
    assert.equal(seen.exit, 0)
    assert.deepEqual(readdirSync(house.data).toSorted(), before, 'nothing was made or removed')
  })
})

eachEngine('another root key does not open the store: an error', async (engine) => {
  await withHouse(engine, async (house, env) => {
    const data = mkdtempSync(join(folder, 'other-'))
    chmodSync(data, 0o700)
    cpSync(house.data, data, { recursive: true })
    writeFileSync(join(data, 'root.key'), `${Buffer.alloc(32, 1).toString('base64')}\n`, { mode: 0o600 })
    const seen = await examine({ ...env, GATEHOUSE_DATA: data })
    assert.deepEqual([seen.exit, seen.state('root-key')], [1, 'error'])
  })
})

test('a key that others can read, and a database without its key: errors', async () => {
  const data = join(folder, 'loose')
  mkdirSync(data, { mode: 0o700 })
  writeFileSync(join(data, 'gatehouse.db'), '')
  assert.match((await examine({ GATEHOUSE_DATA: data })).detail('data-folder'), /no root\.key/)
  writeFileSync(join(data, 'root.key'), `${Buffer.alloc(32, 1).toString('base64')}\n`, { mode: 0o600 })
  chmodSync(join(data, 'root.key'), 0o644)
  const seen = await examine({ GATEHOUSE_DATA: data })
  assert.deepEqual([seen.exit, seen.state('data-folder')], [1, 'error'])
  assert.match(seen.detail('data-folder'), /chmod 600/)
})

test('without --json: a line each, what to do below', async () => {
  const { stdout, exit } = await gatehouse(['doctor'], {
    cwd: folder,
    env: { ...QUIET, GATEHOUSE_NOPE: '1' },
  })
  assert.equal(exit, 1)
  assert.match(stdout, /^error +settings +GATEHOUSE_NOPE is not a setting.*\n +→ /m)
})
