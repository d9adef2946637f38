/**
 * `compose.yaml` and the systemd unit. In: the files as they are shipped. Out: what they promise, held to the letter: who
 * reaches which port, where secrets come from, what the gate may do on its machine. Refuses a setting that no gate knows.
 *
 * Not carried out here: neither a Docker engine nor a running systemd is needed or used; where `systemd-analyze` is
 * installed, it reads the unit.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { gatehouse } from '../../cli/spawned.fixture.ts'

const DEPLOY = fileURLToPath(new URL('../../deploy/', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-units-'))
after(() => rmSync(folder, { recursive: true, force: true }))

interface Service {
  readonly image: string
  readonly environment?: Readonly<Record<string, string>>
  readonly ports?: readonly string[]
  readonly networks: readonly string[]
  readonly secrets?: readonly string[]
  readonly volumes?: readonly string[]
  readonly user?: string
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly cap_add?: readonly string[]
  readonly security_opt?: readonly string[]
  readonly privileged?: boolean
  readonly build?: { readonly context: string; readonly dockerfile: string }
}

interface Compose {
  readonly services: Readonly<Record<'gate' | 'database' | 'redis', Service>>
  readonly networks: Readonly<Record<string, { readonly internal?: boolean }>>
  readonly volumes: object
  readonly secrets: Readonly<Record<string, { readonly file: string }>>
}

// Boundaries: files of ours.
const compose = parse(readFileSync(`${DEPLOY}compose.yaml`, 'utf8')) as Compose
const unitText = readFileSync(`${DEPLOY}systemd/gatehouse.service`, 'utf8')

test('compose: nothing is published but on loopback, and only by the gate', () => {
  const { gate, database, redis } = compose.services
  for (const port of gate.ports ?? []) assert.match(port, /^127\.0\.0\.1:\d+:\d+$/)
  assert.deepEqual([database.ports, redis.ports], [undefined, undefined])
  assert.deepEqual([database.networks, redis.networks], [['back'], ['back']])
  assert.equal(compose.networks['back']?.internal, true)
})

test('compose: each service is read-only, without capabilities or new privileges', () => {
  for (const [name, service] of Object.entries(compose.services)) {
    assert.equal(service.read_only, true, name)
    assert.deepEqual(service.cap_drop, ['ALL'], name)
    assert.deepEqual(service.security_opt, ['no-new-privileges:true'], name)
    assert.equal(service.privileged, undefined, name)
    for (const volume of service.volumes ?? []) assert.doesNotMatch(volume, /^[/.]|docker\.sock/, name)
  }
  assert.deepEqual([compose.services.gate.cap_add, compose.services.redis.cap_add], [undefined, undefined])
})

test('compose: secrets are files, declared and used, and never stand in the environment', () => {
  const used = Object.values(compose.services).flatMap(({ secrets = [] }) => secrets)
  assert.deepEqual(used.toSorted(), Object.keys(compose.secrets).toSorted())
  for (const { file } of Object.values(compose.secrets)) assert.match(file, /^\.\/secrets\//)
  for (const { environment = {}, secrets = [] } of Object.values(compose.services)) {
    for (const [name, value] of Object.entries(environment)) {
      if (/PASSWORD|_URL_FILE|TOKEN|SECRET/.test(name)) {
        assert.match(name, /_FILE$/)
        assert.ok(secrets.includes(value.replace('/run/secrets/', '')), name)
      }
      assert.doesNotMatch(value, /:\/\/[^/]*@/, name)
    }
  }
  const ignored = spawnSync('git', ['check-ignore', '-q', 'secrets/database-url'], { cwd: DEPLOY })
  assert.notEqual(ignored.status, 1, 'git must not see the secrets')
})

test('compose: a gate knows every setting, and takes the secrets as they are mounted', async () => {
  const environment = compose.services.gate.environment ?? {}
  const url = join(folder, 'url')
  const env = Object.fromEntries(
    Object.entries(environment).map(([name, value]) => {
      if (!value.startsWith('/run/secrets/')) return [name, value.replace(/\$\{[^}]*\}/, '')]
      const scheme = value.includes('redis') ? 'redis' : 'postgres'
      writeFileSync(`${url}-${scheme}`, `${scheme}://gatehouse:w0rd-of-a-test@host/gatehouse\n`, {
        mode: 0o400,
      })
      return [name, `${url}-${scheme}`]
    }),
  )
  const shown = await gatehouse(['config', 'show', '--json'], { env, cwd: folder })
  assert.equal(shown.exit, 0, shown.stderr)
  const { items } = JSON.parse(shown.stdout) as {
    items: { name: string; value: string | null; origin: string }[]
  }
  assert.equal(items.find(({ name }) => name === 'databaseUrl')?.origin, 'secret-file')
  assert.doesNotMatch(shown.stdout, /w0rd/)
})

/** Values of a name in the unit, comments left out. */
function unit(name: string): readonly string[] {
  return [...unitText.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value = '']) => value)
}

test('systemd: the gate has its own user, its own folders and nothing else to write', () => {
  assert.deepEqual(
    [unit('User'), unit('ProtectSystem'), unit('NoNewPrivileges')],
    [['gatehouse'], ['strict'], ['yes']],
  )
  assert.deepEqual([unit('StateDirectory'), unit('StateDirectoryMode')], [['gatehouse'], ['0700']])
  assert.deepEqual([unit('CapabilityBoundingSet'), unit('AmbientCapabilities')], [[''], ['']])
  assert.deepEqual(unit('ReadWritePaths'), [])
  // V8 needs it, and says so.
  assert.deepEqual(unit('MemoryDenyWriteExecute'), ['no'])
  assert.ok(Number(unit('TimeoutStopSec')[0]) > 10, 'longer than a gate drains')
})

test('systemd: a gate knows every setting of the unit, those behind marks too', async () => {
  const lines = [...unitText.matchAll(/^#?Environment=(GATEHOUSE_\w+)=(.*)$/gm)]
  assert.ok(lines.length >= 3)
  const env = Object.fromEntries(
    lines.map(([, name = '', value = '']) => {
      if (!value.startsWith('%d/')) return [name, value]
      const file = join(folder, value.slice(3))
      writeFileSync(file, value.includes('redis') ? 'redis://host' : 'postgres://host/gatehouse', {
        mode: 0o400,
      })
      return [name, file]
    }),
  )
  const { exit, stderr } = await gatehouse(['config', 'show'], { env, cwd: folder })
  assert.equal(exit, 0, stderr)
  for (const credential of unitText.matchAll(/%d\/([\w-]+)/g))
    assert.match(unitText, new RegExp(`LoadCredential=${credential[1]}:`))
})

test('systemd-analyze takes the unit and finds it well shut, where it is installed', (t) => {
  const file = join(folder, 'gatehouse.service')
  // The program and its folder need not be on this machine.
  writeFileSync(
    file,
    unitText
      .replace(/^ExecStart=.*$/m, 'ExecStart=/bin/true')
      .replace(/^WorkingDirectory=.*$/m, 'WorkingDirectory=/'),
  )
  const analyze = (...args: string[]) => spawnSync('systemd-analyze', args, { encoding: 'utf8' })
  const verified = analyze('verify', file)
  if (verified.error !== undefined)
    return t.diagnostic('systemd-analyze is not installed; the unit was read here alone')
  assert.equal(verified.status, 0, verified.stderr)
  assert.doesNotMatch(verified.stderr, /gatehouse\.service:\d+/)
  const rated = analyze('security', '--offline=true', '--no-pager', '--threshold=20', file)
  if (/unrecognized option/.test(rated.stderr))
    return t.diagnostic('systemd-analyze is too old to rate a file')
  assert.equal(rated.status, 0, rated.stdout)
})
