import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { gatehouse } from './spawned.fixture.ts'

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url))
const temporary = await mkdtemp(join(tmpdir(), 'gatehouse-demo-test-'))
after(() => rm(temporary, { recursive: true, force: true }))

test('demo: all goes as it must, within ten seconds, and nothing is left behind', async () => {
  // Settings of the shell must not reach it: this database does not exist.
  const env = { TMPDIR: temporary, GATEHOUSE_DATABASE_URL: 'postgres://gate:gate-7f3a@127.0.0.1:1/none' }
  const { exit, stdout, stderr } = await gatehouse(['demo', '--json'], { env, cwd: temporary })
  assert.equal(exit, 0, stdout + stderr)
  assert.equal(stderr, '')
  const story = JSON.parse(stdout) as { lines: { sent: string; reachedApp: number }[]; seconds: number }
  assert.ok(story.lines.length >= 12)
  assert.ok(story.seconds < 10, `${story.seconds} s`)
  assert.deepEqual(await readdir(temporary), [])
})

test('demo: interrupted half-way, it still leaves nothing behind', async () => {
  const env = { PATH: process.env['PATH'], TMPDIR: temporary }
  const child = spawn(process.execPath, [MAIN, 'demo'], { cwd: temporary, env, stdio: 'ignore' })
  const closed = once(child, 'close')
  while ((await readdir(temporary)).length === 0 && child.exitCode === null) await pause(5)
  child.kill('SIGINT')
  await closed
  assert.equal(child.exitCode, 1)
  assert.deepEqual(await readdir(temporary), [])
})
