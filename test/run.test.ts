/**
 * The way from any Node to the pinned one: installs once, under a lock, says why when it cannot, and hands over exit codes
 * and signals. npm itself is played by a small script, so that nothing here needs a registry.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { ROOT } from './architecture/source-tree.ts'

const DEPENDENCIES = JSON.stringify(`${ROOT}/bin/dependencies.mjs`)
const RUNTIME = JSON.stringify(`${ROOT}/bin/runtime.mjs`)
const PACKAGE = `node_modules/node-${process.platform}-${process.arch}`

/** Stands in for `npm ci`: slow enough for another start to meet it, and it leaves a mark for each time it ran. */
const NPM = `const fs = require('node:fs')
fs.appendFileSync('ran', 'x')
if (fs.existsSync('fail')) { console.error('npm warn noise'); console.error('npm error code E403 no such registry'); process.exit(9) }
setTimeout(() => { fs.mkdirSync('${PACKAGE}/bin', { recursive: true }); fs.writeFileSync('${PACKAGE}/bin/node', '') }, 400)`

function repository(t: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), 'gatehouse-run-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  writeFileSync(join(root, 'npm-cli.js'), NPM)
  writeFileSync(join(root, 'package-lock.json'), '{"packages":{"node_modules/a":{"integrity":"sha512-1"}}}')
  return root
}

interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

function begin(code: string, env: NodeJS.ProcessEnv = {}): ChildProcess {
  const args = ['--input-type=module', '-e', code]
  return spawn(process.execPath, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
}

async function end(child: ChildProcess): Promise<Ended> {
  let [stdout, stderr] = ['', '']
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  await once(child, 'close')
  return { code: child.exitCode, signal: child.signalCode, stdout, stderr }
}

function ensure(root: string): Promise<Ended> {
  const code = `import { ensureDependencies } from ${DEPENDENCIES}
    await ensureDependencies(process.argv[1]).catch((error) => { console.error(error.message); process.exitCode = 1 })`
  const args = ['--input-type=module', '-e', code, root]
  const env = { ...process.env, npm_execpath: join(root, 'npm-cli.js') }
  return end(spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] }))
}

function runs(root: string): number {
  return existsSync(join(root, 'ran')) ? readFileSync(join(root, 'ran'), 'utf8').length : 0
}

test('starts at once install once, and later ones not at all', async (t) => {
  const root = repository(t)
  const all = await Promise.all([ensure(root), ensure(root), ensure(root)])
  assert.deepEqual(
    all.map(({ code }) => code),
    [0, 0, 0],
  )
  assert.equal(all.filter(({ stderr }) => stderr.includes('installing dependencies (once)')).length, 1)
  assert.equal((await ensure(root)).stderr, '')
  assert.equal(runs(root), 1)
})

test('another lockfile, or a runtime that is gone, installs again', async (t) => {
  const root = repository(t)
  await ensure(root)
  writeFileSync(join(root, 'package-lock.json'), '{"packages":{"node_modules/b":{"integrity":"sha512-2"}}}')
  await ensure(root)
  assert.equal(runs(root), 2)
  rmSync(join(root, PACKAGE), { recursive: true })
  await ensure(root)
  assert.equal(runs(root), 3)
})

test('what npm was told by hand counts', async (t) => {
  const root = repository(t)
  mkdirSync(join(root, PACKAGE, 'bin'), { recursive: true })
  writeFileSync(join(root, PACKAGE, 'bin/node'), '')
  const hidden = join(root, 'node_modules/.package-lock.json')
  writeFileSync(hidden, '{"packages":{"node_modules/a":{"integrity":"sha512-1"}}}')
  assert.equal((await ensure(root)).code, 0)
  assert.equal(runs(root), 0)
})

test('a package with other bytes than the lockfile wants installs anew', async (t) => {
  const root = repository(t)
  mkdirSync(join(root, PACKAGE, 'bin'), { recursive: true })
  writeFileSync(join(root, PACKAGE, 'bin/node'), '')
  writeFileSync(
    join(root, 'node_modules/.package-lock.json'),
    '{"packages":{"node_modules/a":{"integrity":"sha512-9"}}}',
  )
  await ensure(root)
  assert.equal(runs(root), 1)
})

test('when npm fails, its own words are shown and the next start tries again', async (t) => {
  const root = repository(t)
  writeFileSync(join(root, 'fail'), '')
  const failed = await ensure(root)
  assert.equal(failed.code, 1)
  assert.match(failed.stderr, /npm ci ended with code 9, wanted 0\nnpm error code E403 no such registry/)
  assert.ok(!failed.stderr.includes('noise'))
  rmSync(join(root, 'fail'))
  assert.equal((await ensure(root)).code, 0)
})

test('a lock whose owner died is taken over', async (t) => {
  const root = repository(t)
  const dead = begin('')
  await once(dead, 'close')
  mkdirSync(join(root, '.cache/install.lock'), { recursive: true })
  writeFileSync(join(root, '.cache/install.lock/pid'), String(dead.pid))
  assert.equal((await ensure(root)).code, 0)
  assert.equal(runs(root), 1)
})

test('the exit code and the streams of what ran are kept', async () => {
  const code = `import { runNode } from ${RUNTIME}
    process.exitCode = await runNode(['-p', 'process.exitCode = 7; process.versions.node'])`
  const ended = await end(begin(code))
  assert.equal(ended.code, 7)
  assert.match(ended.stdout, /^\d+\.\d+\.\d+\n$/)
})

test('SIGTERM reaches what runs, which ends in its own way', async () => {
  const inner = `process.on('SIGTERM', () => { console.log('drained'); process.exit(5) }); setInterval(() => {}, 1000); console.log('up')`
  const child = begin(`import { runNode } from ${RUNTIME}
    process.exitCode = await runNode(['-e', ${JSON.stringify(inner)}])`)
  const whole = end(child)
  assert.ok(child.stdout)
  await once(child.stdout, 'data')
  child.kill('SIGTERM')
  const ended = await whole
  assert.equal(ended.code, 5)
  assert.match(ended.stdout, /drained/)
})

test('an end by signal is passed on as that signal', async () => {
  const ended = await end(
    begin(`import { runNode } from ${RUNTIME}
    process.exitCode = await runNode(['-e', 'process.kill(process.pid, "SIGKILL")'])`),
  )
  assert.equal(ended.signal, 'SIGKILL')
})

test('an old Node is turned away with what to do', async () => {
  const ended = await end(
    begin(`import { insufficient, suffices } from ${JSON.stringify(`${ROOT}/bin/version.mjs`)}
    console.log(['20.20.2', '24.14.9', '24.15.0', '26.10.0'].map(suffices).join())
    process.stderr.write(insufficient('20.20.2'))`),
  )
  assert.equal(ended.stdout, 'false,false,true,true\n')
  assert.match(ended.stderr, /this is Node 20\.20\.2, wanted 24\.15 or newer\ngatehouse: hint: /)
})

test('a script that is not in the table is refused', async () => {
  const child = spawn(process.execPath, [`${ROOT}/bin/run.mjs`, 'lunch'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = await end(child)
  assert.equal(ended.code, 2)
  assert.match(ended.stderr, /"lunch": no such script, wanted one of start, test, ok/)
})
