import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gatehouse } from './spawned.fixture.ts'

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url))
const folder = await mkdtemp(join(tmpdir(), 'gatehouse-up-'))
after(() => rm(folder, { recursive: true, force: true }))

const FREE_PORTS = ['--public-listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0']

interface Running {
  readonly child: ChildProcess
  readonly stdout: () => string
}

/** Runs `up` until its first output is whole. */
async function up(data: string, words: readonly string[]): Promise<Running> {
  const env = { PATH: process.env['PATH'] }
  const argv = [MAIN, 'up', '--data', data, ...FREE_PORTS, ...words]
  const child = spawn(process.execPath, argv, { cwd: folder, env, stdio: ['ignore', 'pipe', 'ignore'] })
  let stdout = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  while (!stdout.endsWith('\n') && child.exitCode === null) await once(child.stdout, 'data')
  return { child, stdout: () => stdout }
}

async function stop({ child }: Running, signal: NodeJS.Signals): Promise<number | null> {
  const closed = once(child, 'close')
  child.kill(signal)
  await closed
  return child.exitCode
}

test('up --json prints one line when ready, and ends with 0 on SIGTERM and SIGINT', async () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const gate = await up(`json-${signal}`, ['--json'])
    const ready = JSON.parse(gate.stdout()) as Record<string, unknown>
    assert.deepEqual(Object.keys(ready), ['public', 'admin', 'claim'])
    assert.match(String(ready['public']), /^http:\/\/127\.0\.0\.1:\d+$/)
    assert.match(String(ready['admin']), /^http:\/\/127\.0\.0\.1:\d+$/)
    assert.equal(typeof ready['claim'], 'string')
    assert.equal(await stop(gate, signal), 0)
    assert.equal(gate.stdout().trimEnd().split('\n').length, 1)
  }
})

test('up says what to do next until it is claimed; then it is quiet', async () => {
  const first = await up('quiet', [])
  const [, code = '', url = ''] = /npx gatehouse claim (\S+) --url (\S+)\n$/.exec(first.stdout()) ?? []
  const claimed = await gatehouse(['claim', code, '--url', url], { env: { XDG_CONFIG_HOME: folder } })
  assert.equal(claimed.exit, 0, claimed.stderr)
  assert.doesNotMatch(claimed.stdout, /gh_/)
  assert.equal(await stop(first, 'SIGTERM'), 0)

  const second = await up('quiet', [])
  assert.match(second.stdout(), /^gatehouse is up: [^\n]*\n$/)
  await stop(second, 'SIGTERM')
  const third = await up('quiet', ['--json'])
  assert.equal((JSON.parse(third.stdout()) as { claim: unknown }).claim, null)
  await stop(third, 'SIGTERM')
})

test('up refuses a folder that others can read, in one sentence, exit 1', async () => {
  await mkdir(join(folder, 'open'))
  await chmod(join(folder, 'open'), 0o755)
  const { exit, stdout, stderr } = await gatehouse(['up', '--data', 'open', ...FREE_PORTS], { cwd: folder })
  assert.equal(exit, 1)
  assert.equal(stdout, '')
  assert.match(stderr, /^gatehouse: error: [^\n]*chmod[^\n]*\n$/)
})

test('up refuses a port in use, exit 1', async () => {
  const other = createServer()
  await once(other.listen(0, '127.0.0.1'), 'listening')
  const address = other.address()
  const taken = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  const words = ['up', '--data', 'port', '--public-listen', taken, '--admin-listen', '127.0.0.1:0']
  const { exit, stderr } = await gatehouse(words, { cwd: folder })
  other.close()
  assert.equal(exit, 1)
  assert.match(stderr, /gatehouse: error: listen on 127\.0\.0\.1:\d+: the port is in use/)
})
