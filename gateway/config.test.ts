/**
 * Settings: where they come from and who wins, everything wrong at once, no secret in any message, and the page that tells
 * of them.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { golden } from '../test/support/golden.ts'
import { type Config, type ConfigInput, ConfigProblems, describe, loadConfig } from './config.ts'
import { nearest } from './nearest.ts'
import { isPlaceholder } from './placeholder.ts'
import type { ReadFile } from './setting-sources.ts'
import { settingsPage } from './settings-page.ts'

const US = process.getuid?.() ?? 0

type Files = Readonly<Record<string, string | ReadFile>>

function reader(files: Files): (path: string) => ReadFile {
  return (path) => {
    const file = files[path]
    if (file === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' })
    return typeof file === 'string' ? { text: file, mode: 0o100600, uid: US } : file
  }
}

function load(
  env: ConfigInput['env'],
  files: Files = {},
  argv: ConfigInput['argv'] = {},
): Config | ConfigProblems {
  return loadConfig({ env, argv, cwd: '/gate', readFile: reader(files) })
}

function loaded(...args: Parameters<typeof load>): Config {
  const config = load(...args)
  if (config instanceof ConfigProblems) assert.fail(String(config))
  return config
}

function refused(...args: Parameters<typeof load>): string {
  const problems = load(...args)
  assert.ok(problems instanceof ConfigProblems)
  return String(problems)
}

test('no settings at all make a whole configuration', () => {
  const config = loaded({})
  assert.equal(config.data, '/gate/.gatehouse')
  assert.deepEqual(config.publicListen, { host: '0.0.0.0', port: 8080 })
  assert.deepEqual(config.adminListen, { host: '127.0.0.1', port: 8081 })
  assert.equal(config.bodyCap, 1024 * 1024)
  assert.equal(config.inFlightCap, 64 * 1024 * 1024)
  assert.equal(config.ingressRate, 5000)
  assert.equal(config.databaseUrl, undefined)
  assert.ok(describe(config).every(({ origin }) => origin === 'default'))
})

test('an option wins over the environment, and the environment over the file', () => {
  const files = { 'gatehouse.yaml': 'data: from-file\nlogLevel: warn\nreplayDays: 9\n' }
  const config = loaded({ GATEHOUSE_DATA: 'from-env', GATEHOUSE_LOG_LEVEL: 'error' }, files, {
    data: 'from-option',
  })
  assert.equal(config.data, '/gate/from-option')
  assert.equal(config.logLevel, 'error')
  assert.equal(config.replayDays, 9)
  assert.deepEqual(
    [config.origins.data, config.origins.logLevel, config.origins.replayDays, config.origins.bodyCap],
    ['option', 'env', 'file', 'default'],
  )
})

test('the file may be named, holds lists and numbers, and must then exist', () => {
  const files = {
    'other.yaml': 'pushExcept: [10.0.0.0/8, "fd00::/8"]\npushAllowLoopback: true\nbodyCap: 64KiB\n',
  }
  const config = loaded({ GATEHOUSE_CONFIG_FILE: 'other.yaml' }, files)
  assert.deepEqual(config.pushExcept, ['10.0.0.0/8', 'fd00::/8'])
  assert.equal(config.pushAllowLoopback, true)
  assert.equal(config.bodyCap, 65_536)
  assert.match(refused({ GATEHOUSE_CONFIG_FILE: 'gone.yaml' }), /gone\.yaml.*ENOENT/)
})

test('a secret comes from the environment or from a file, and not from both', () => {
  const files = { '/run/db': 'postgres://gate:kept-in-a-file@db/gate\n' }
  const config = loaded({ GATEHOUSE_DATABASE_URL_FILE: '/run/db' }, files)
  assert.equal(config.databaseUrl?.reveal(), 'postgres://gate:kept-in-a-file@db/gate')
  assert.equal(config.origins.databaseUrl, 'secret-file')
  const both = { GATEHOUSE_DATABASE_URL_FILE: '/run/db', GATEHOUSE_DATABASE_URL: 'postgres://gate@db/gate' }
  assert.match(refused(both, files), /both set/)
  assert.match(
    refused({ GATEHOUSE_BODY_CAP_FILE: '/run/db' }, files),
    /GATEHOUSE_BODY_CAP_FILE is not a setting/,
  )
})

test('a file of secrets that others may read is refused', () => {
  const url = 'redis://:not-shown@cache'
  const open = (mode: number, uid: number): string | undefined => {
    const answer = load({ GATEHOUSE_REDIS_URL_FILE: '/run/r' }, { '/run/r': { text: url, mode, uid } })
    return answer instanceof ConfigProblems ? String(answer) : undefined
  }
  assert.equal(open(0o100600, US), undefined)
  assert.match(open(0o100640, US) ?? '', /chmod 600 \/run\/r/)
  assert.match(open(0o100604, US) ?? '', /mode 0604/)
  // As container platforms mount them: another owner, our group.
  assert.equal(open(0o100440, US + 1), undefined)
  assert.match(open(0o100444, US + 1) ?? '', /others may read/)
  const yaml = { 'gatehouse.yaml': { text: `redisUrl: ${url}\n`, mode: 0o100644, uid: US } }
  assert.match(refused({}, yaml), /redisUrl in gatehouse\.yaml is a secret in a file that others may read/)
})

test('everything wrong is told at once, with the name that was probably meant', () => {
  const text = refused(
    {
      GATEHOUSE_BODYCAP: '1',
      GATEHOUSE_ADMIN_LISTEN: 'here',
      GATEHOUSE_DRAIN_SECONDS: '-1',
      GATEHOUSE_PUSH_EXCEPT: '10.0.0.0/33',
      GATEHOUSE_LOG_LEVEL: 'loud',
    },
    { 'gatehouse.yaml': 'replayDay: 3\ningressRate: {a: 1}\n' },
    { frobnicate: 'x' },
  )
  assert.equal(text.split('\n').length, 8)
  assert.match(text, /GATEHOUSE_BODYCAP is not a setting, perhaps GATEHOUSE_BODY_CAP was meant/)
  assert.match(text, /replayDay in gatehouse\.yaml is not a setting, perhaps replayDays was meant/)
  assert.match(text, /GATEHOUSE_LOG_LEVEL is "loud", wanted debug, info, warn or error/)
})

test('what belongs to the command line and to test runs is no unknown setting', () => {
  loaded({
    GATEHOUSE_TOKEN: 'gh_x',
    GATEHOUSE_URL: 'http://x',
    GATEHOUSE_TEST_REDIS_URL: 'x',
    GATEHOUSE_REQUIRE: 'redis',
    HOME: '/',
  })
})

test('no message and no print of a configuration holds a secret', () => {
  const canary = 'canary-7d1f'
  const env = {
    GATEHOUSE_DATABASE_URL: `mysql://gate:${canary}@db`,
    GATEHOUSE_REDIS_URL: canary,
    GATEHOUSE_OTLP_URL: `https://user:${canary}@collector`,
    GATEHOUSE_PUBLIC_URL: `https://gate/?token=${canary}`,
  }
  assert.ok(!refused(env).includes(canary))
  assert.ok(!refused({}, { 'gatehouse.yaml': `databaseUrl: "${canary}\n  x: [` }).includes(canary))
  const config = loaded({ GATEHOUSE_DATABASE_URL: `postgres://gate:${canary}@db/gate` })
  const printed =
    inspect(config) + JSON.stringify(config) + String(config.databaseUrl) + JSON.stringify(describe(config))
  assert.ok(!printed.includes(canary))
  assert.equal(describe(config).find(({ name }) => name === 'databaseUrl')?.value, '[sealed]')
})

test('placeholders are no secrets', () => {
  for (const word of [
    'changeme',
    'Change-Me!',
    'xxxx',
    '<password>',
    '${DB_PASSWORD}',
    'your-password-here',
  ]) {
    assert.ok(isPlaceholder(word), word)
    assert.match(
      refused({ GATEHOUSE_DATABASE_URL: `postgres://gate:${encodeURIComponent(word)}@db/gate` }),
      /placeholder/,
    )
  }
  assert.ok(isPlaceholder('%63hangeme'))
  for (const word of ['', 'kJ8s-2mmQ', 'postgres', 'secretariat-42', '100%'])
    assert.ok(!isPlaceholder(word), word)
})

test('a YAML file that is no plain list of names is refused', () => {
  assert.match(refused({}, { 'gatehouse.yaml': '- data\n' }), /no list of "name: value" lines/)
  assert.match(refused({}, { 'gatehouse.yaml': 'data: a\ndata: b\n' }), /DUPLICATE_KEY/)
  assert.match(refused({}, { 'gatehouse.yaml': 'data: &a x\nlogLevel: *a\n' }), /no list/)
  assert.equal(loaded({}, { 'gatehouse.yaml': '# nothing yet\n' }).data, '/gate/.gatehouse')
})

test('bodies must fit into what may be in flight', () => {
  assert.match(
    refused({ GATEHOUSE_BODY_CAP: '8MiB', GATEHOUSE_IN_FLIGHT_CAP: '4MiB' }),
    /inFlightCap.*less than bodyCap/,
  )
})

test('nearest() finds slips and leaves other words alone', () => {
  assert.equal(
    nearest('GATEHOUSE_ADMIN_LISTN', ['GATEHOUSE_ADMIN_LISTEN', 'GATEHOUSE_DATA']),
    'GATEHOUSE_ADMIN_LISTEN',
  )
  assert.equal(nearest('GATEHOUSE_FROBNICATE', ['GATEHOUSE_ADMIN_LISTEN', 'GATEHOUSE_DATA']), undefined)
})

test('the page about settings is what the table says', () => {
  golden('docs/guide/configuration.md', settingsPage())
})
