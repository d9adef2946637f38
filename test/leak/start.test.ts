/**
 * Secrets in settings, good and malformed, and on the command line's own errors. In: canaries by environment, by file, in
 * YAML and on stdin. Out: starts, refusals to start and `config show` without one of them. Refuses a check that saw no
 * output at all.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { freePort } from '../support/free-port.ts'
import { startGate } from '../support/gate.ts'
import { openHouse, openLine, send } from '../support/ingress.ts'
import { vendor } from '../ingress/vendors.ts'
import { Canaries } from './canaries.ts'

const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url))
/** Milliseconds; a refusal takes under one second, giving up on a database some more. */
const PATIENCE = 30_000

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-leak-'))
const canaries = new Canaries()

after(() => rmSync(folder, { recursive: true, force: true }))

interface Ran {
  readonly exit: number | null
  readonly printed: string
}

/** One command in a clean environment. */
async function run(
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
  stdin = '',
): Promise<Ran> {
  const child = spawn(process.execPath, [MAIN, ...words], {
    cwd: folder,
    env: { PATH: process.env['PATH'] ?? '', HOME: folder, XDG_CONFIG_HOME: join(folder, 'config'), ...env },
    timeout: PATIENCE,
  })
  child.stdin.on('error', () => {}).end(stdin)
  const closed = once(child, 'close')
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  await closed
  return { exit: child.exitCode, printed: stdout + stderr }
}

function clean(what: string, { printed }: Ran): void {
  assert.ok(printed.length > 20, `${what} printed nothing: ${printed}`)
  assert.deepEqual(canaries.search([{ place: what, bytes: Buffer.from(printed) }]), [])
}

const LISTEN = { GATEHOUSE_PUBLIC_LISTEN: '127.0.0.1:0', GATEHOUSE_ADMIN_LISTEN: '127.0.0.1:0' }

/** Settings that must be refused; each holds a secret where one could stand. */
function malformedSettings(): Readonly<Record<string, Readonly<Record<string, string>>>> {
  const plant = (label: string): string => canaries.plant(label)
  return {
    'a database URL that is none': { GATEHOUSE_DATABASE_URL: plant('no URL') },
    'a database URL of another scheme': { GATEHOUSE_DATABASE_URL: `mysql://u:${plant('password')}@h/d` },
    'a database URL with a bad port': {
      GATEHOUSE_DATABASE_URL: `postgres://u:${plant('password')}@h:99999/d`,
    },
    'a placeholder around it': { GATEHOUSE_DATABASE_URL: `postgres://u:$%7B${plant('password')}%7D@h/d` },
    'a database that is away': { GATEHOUSE_DATABASE_URL: `postgres://u:${plant('password')}@127.0.0.1:9/d` },
    'a database host that is none': {
      GATEHOUSE_DATABASE_URL: `postgres://u:${plant('password')}@h.invalid/d`,
    },
    'a Redis URL that is none': { GATEHOUSE_REDIS_URL: `redis//${plant('password')}` },
    'a setting nobody knows': { GATEHOUSE_DATABASE_URI: plant('value of an unknown setting') },
    'a public URL with a user': { GATEHOUSE_PUBLIC_URL: `https://u:${plant('password')}@h/` },
    'a collector with a query': { GATEHOUSE_OTLP_URL: `https://h/?key=${plant('key')}` },
    // What is no secret and can hold none is told as it stands; the secrets beside it are not.
    'all at once': {
      GATEHOUSE_LOG_LEVEL: 'loud',
      GATEHOUSE_REPLAY_DAYS: 'many',
      GATEHOUSE_DATABASE_URL: plant('a database URL beside others'),
      GATEHOUSE_REDIS_URL: plant('a Redis URL beside others'),
    },
    'a file that is not there': { GATEHOUSE_DATABASE_URL_FILE: join(folder, 'absent') },
    'a file with no URL in it': { GATEHOUSE_DATABASE_URL_FILE: secretFile(plant('in a file')) },
    'a file and a value': {
      GATEHOUSE_DATABASE_URL: `postgres://u:${plant('password')}@127.0.0.1:9/d`,
      GATEHOUSE_DATABASE_URL_FILE: secretFile(`postgres://u:${plant('in a file')}@127.0.0.1:9/d`),
    },
    'a file that others may read': {
      GATEHOUSE_DATABASE_URL_FILE: secretFile(`postgres://u:${plant('in a file')}@127.0.0.1:9/d`, 0o644),
    },
    'YAML that is none': { GATEHOUSE_CONFIG_FILE: secretFile(`databaseUrl: "${plant('in YAML')}\n- [`) },
    'YAML with a name nobody knows': {
      GATEHOUSE_CONFIG_FILE: secretFile(`databaseUri: ${plant('a value')}`),
    },
    'YAML with the wrong type': {
      GATEHOUSE_CONFIG_FILE: secretFile(`databaseUrl:\n  - ${plant('in a list')}\n`),
    },
    'YAML with a bad URL': { GATEHOUSE_CONFIG_FILE: secretFile(`databaseUrl: ${plant('no URL')}\n`) },
  }
}

let files = 0

function secretFile(content: string, mode = 0o600): string {
  const path = join(folder, `file-${++files}.yaml`)
  writeFileSync(path, `${content}\n`, { mode })
  chmodSync(path, mode)
  return path
}

test('no refusal to start repeats a secret', async () => {
  for (const [what, env] of Object.entries(malformedSettings())) {
    const data = join(folder, `data-${++files}`)
    const ran = await run(['up', '--json', '--data', data], { ...LISTEN, ...env })
    assert.ok(ran.exit === 1 || ran.exit === 2, `${what}: exit ${ran.exit} ${ran.printed}`)
    clean(what, ran)
  }
})

test('a root key that is none is not repeated', async () => {
  const data = join(folder, 'data-key')
  mkdirSync(data, { mode: 0o700 })
  writeFileSync(join(data, 'root.key'), `${canaries.plant('a root key')}\n`, { mode: 0o600 })
  const ran = await run(['up', '--json', '--data', data], LISTEN)
  assert.equal(ran.exit, 1)
  clean('a malformed root key', ran)
})

test('config show seals secrets, wherever they come from', async () => {
  const url = (label: string): string => `postgres://u:${canaries.plant(label)}@db.example/d`
  const redis = `redis://:${canaries.plant('Redis password')}@cache.example:6379`
  const ways: Readonly<Record<string, Record<string, string>>> = {
    environment: { GATEHOUSE_DATABASE_URL: url('by environment'), GATEHOUSE_REDIS_URL: redis },
    file: {
      GATEHOUSE_DATABASE_URL_FILE: secretFile(url('by file')),
      GATEHOUSE_REDIS_URL_FILE: secretFile(redis),
    },
    YAML: { GATEHOUSE_CONFIG_FILE: secretFile(`databaseUrl: ${url('by YAML')}\nredisUrl: ${redis}`) },
  }
  for (const [way, env] of Object.entries(ways)) {
    for (const flags of [[], ['--json']]) {
      const ran = await run(['config', 'show', ...flags], env)
      assert.equal(ran.exit, 0, ran.printed)
      assert.equal(ran.printed.split('[sealed]').length - 1, 2, `${way}: both are sealed`)
      clean(`config show by ${way}`, ran)
    }
  }
})

test('a Redis that is away, and its password, at every level of the log', async () => {
  const port = await freePort()
  const redis = `redis://user:${canaries.plant('Redis password')}@127.0.0.1:${port}`
  const gate = await startGate({ env: { GATEHOUSE_REDIS_URL: redis, GATEHOUSE_LOG_LEVEL: 'debug' } })
  await gate.stop()
  clean('a gate without its Redis', { exit: 0, printed: gate.log() })
  assert.match(gate.log(), /limits\.redis-unavailable/)
})

test('a crash tells nothing: abort, in the middle of a delivery', async () => {
  const house = await openHouse({ engine: 'sqlite', file: '' }, { env: { GATEHOUSE_LOG_LEVEL: 'debug' } })
  try {
    const from = vendor('slack', canaries.plant('a credential secret'))
    const line = await openLine(house, 'slack', from.secret)
    canaries.watch('token', house.token)
    const said = from.says({ n: 1, text: canaries.plant('a text'), sender: canaries.plant('a sender') })
    const sending = Promise.allSettled(
      Array.from({ length: 50 }, () => send(house.gate.publicUrl + line.path, said)),
    )
    process.kill(house.gate.pid, 'SIGABRT')
    await sending
    await house.gate.stop()
    clean('an aborted gate', { exit: 0, printed: house.gate.log() })
  } finally {
    await house.close()
  }
})

test('the command line repeats no secret that it cannot use', async () => {
  const house = await openHouse({ engine: 'sqlite', file: '' })
  try {
    const line = await openLine(house, 'telegram', vendor('telegram').secret, { name: 'bot' })
    const env = { GATEHOUSE_URL: house.gate.adminUrl, GATEHOUSE_TOKEN_FILE: secretFile(house.token) }
    canaries.watch('token of the command line', house.token)
    const create = ['credential', 'create', '--channel', 'bot', '--value-file', '-']
    const plant = (label: string): string => canaries.plant(label)
    const mistakes: Readonly<Record<string, Ran>> = {
      'a secret that the source cannot use': await run(create, env, `${plant('a secret')} !`),
      'a secret too long': await run(create, env, plant('a long secret').repeat(5_000)),
      'a secret that is taken': await run(create, env, plant('a good secret')),
      'a rotation': await run(
        ['credential', 'rotate', line.credential, '--channel', 'bot', '--value-file', '-', '--json'],
        env,
        plant('a rotated secret'),
      ),
      'a claim code that is none': await run(['claim', plant('a claim code')], env),
      'a token that is none': await run(['whoami'], {
        ...env,
        GATEHOUSE_TOKEN_FILE: secretFile(plant('a token')),
      }),
      'a gate that is away': await run(['whoami'], { ...env, GATEHOUSE_URL: 'http://127.0.0.1:9' }),
      'a URL with a password': await run(['whoami'], {
        ...env,
        GATEHOUSE_URL: `http://u:${plant('pw')}@127.0.0.1:9`,
      }),
      'recorded requests': await run(['source', 'check', '--jsonl'], {}, records(plant)),
    }
    for (const [what, ran] of Object.entries(mistakes)) clean(what, ran)
    clean('the log of the gate', { exit: 0, printed: house.gate.log() })
  } finally {
    await house.close()
  }
})

function records(plant: (label: string) => string): string {
  const { headers } = vendor('slack').says({ n: 1 })
  const lines = [
    {
      id: 'a',
      provider: 'slack',
      secret: plant('secret of a record'),
      headers,
      body: plant('body of a record'),
      now: 1,
    },
    { id: 'b', provider: 'svix', secret: plant('bad secret of a record'), headers, body: '{}', now: 1 },
    { id: 'c', provider: plant('provider of a record') },
  ]
  return `${lines.map((line) => JSON.stringify(line)).join('\n')}\n{"secret":"${plant('torn record')}\n`
}
