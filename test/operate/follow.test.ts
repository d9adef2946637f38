/**
 * `gatehouse source simulate`, `tail` and `source explain` as an operator uses them together. In: a gate with channels.
 * Out: sample events taken and forged ones refused, both seen by `tail`, and the reason named by `explain`. Refuses a
 * command that shows the secret.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { gatehouse } from '../../cli/spawned.fixture.ts'
import { type House, openHouse, openLine, until } from '../support/ingress.ts'

const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url))
const SECRET = 'canary-secret-5b1f'
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-follow-'))
const secretFile = join(folder, 'secret.txt')
let house: House

before(async () => {
  writeFileSync(secretFile, `${SECRET}\n`)
  house = await openHouse({ engine: 'sqlite', file: '' })
  await openLine(house, 'slack', SECRET, { name: 'support', workspaces: ['T7'] })
  await openLine(house, 'shopify-oauth', SECRET, { name: 'shop' })
  await openLine(house, 'discord', '00'.repeat(31) + '01', { name: 'games' })
})
after(async () => {
  await house.close()
  rmSync(folder, { recursive: true, force: true })
})

function env(): Record<string, string> {
  return { GATEHOUSE_URL: house.gate.adminUrl, GATEHOUSE_TOKEN: house.token }
}

async function simulate(...words: string[]) {
  const all = [
    'source',
    'simulate',
    ...words,
    '--value-file',
    secretFile,
    '--to',
    house.gate.publicUrl,
    '--json',
  ]
  const ended = await gatehouse(all, { env: env() })
  assert.ok(!`${ended.stdout}${ended.stderr}`.includes(SECRET))
  return { ...ended, lines: linesOf(ended.stdout) }
}

function linesOf(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Record<string, unknown>]))
}

test('simulate: each is signed, new, and of the workspace that the channel is bound to', async () => {
  const { exit, lines, stderr } = await simulate('slack', '--channel', 'support', '--count', '3')
  assert.equal(exit, 0, stderr)
  assert.deepEqual(
    lines.map(({ n, event, status }) => [n, event, status]),
    [
      [1, 'message', 200],
      [2, 'message', 200],
      [3, 'message', 200],
    ],
  )
  const { items } = await house.admin.listDeliveries(house.tenant)
  assert.deepEqual(
    items.map(({ source, kind }) => [source, kind]),
    Array(3).fill(['slack', 'message']),
  )
})

test('simulate: a chosen event, and a vendor that signs its query', async () => {
  assert.equal(
    (await simulate('slack', '--channel', 'support', '--event', 'command')).lines[0]?.['status'],
    200,
  )
  assert.equal((await simulate('shopify-oauth', '--channel', 'shop')).lines[0]?.['status'], 200)
})

test('simulate --forge: the gate refuses, which is what is wanted', async () => {
  const { exit, lines } = await simulate('slack', '--channel', 'support', '--forge')
  assert.deepEqual([exit, lines[0]?.['status']], [0, 401])
})

test('simulate: what the gate refuses is exit 1, with where to look', async () => {
  writeFileSync(join(folder, 'wrong.txt'), 'another secret')
  const words = [
    'source',
    'simulate',
    'slack',
    '--channel',
    'support',
    '--value-file',
    join(folder, 'wrong.txt'),
  ]
  const { exit, stderr } = await gatehouse([...words, '--to', house.gate.publicUrl], { env: env() })
  assert.equal(exit, 1)
  assert.match(stderr, /see gatehouse refusal list --channel support/)
})

test('simulate: another source, an unknown event, a vendor’s own key, no gate: each said', async () => {
  const { exit, stderr } = await simulate('github', '--channel', 'support')
  assert.equal(exit, 1)
  assert.match(stderr, /is of the source slack/)
  assert.match(
    (await simulate('slack', '--channel', 'support', '--event', 'nothing')).stderr,
    /wanted one of message, command/,
  )
  assert.match((await simulate('discord', '--channel', 'games')).stderr, /only its vendor has the key/)
  const words = ['source', 'simulate', 'slack', '--channel', 'support', '--value-file', secretFile]
  assert.equal((await gatehouse([...words, '--to', 'http://127.0.0.1:9'], { env: env() })).exit, 3)
})

test('tail: shows what comes and what is refused, and SIGINT ends it with 0', async () => {
  const child = spawn(process.execPath, [MAIN, 'tail', '--json'], {
    env: { PATH: process.env['PATH'], ...env() },
  })
  let shown = ''
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => (shown += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  await until('tail to follow', () => (said.includes('following') ? true : undefined))
  await simulate('slack', '--channel', 'support', '--count', '2')
  await simulate('slack', '--channel', 'support', '--forge')
  await until('three lines', () => (linesOf(complete(shown)).length >= 3 ? true : undefined))
  // Two looks more, which find nothing new.
  await pause(2_500)
  const closed = once(child, 'close')
  child.kill('SIGINT')
  await closed
  assert.equal(child.exitCode, 0)
  const lines = linesOf(shown)
  assert.deepEqual(lines.map(({ what }) => String(what)).toSorted(), ['delivery', 'delivery', 'refusal'])
  assert.equal(new Set(lines.map(({ id }) => id)).size, 3, 'each once, and nothing from before')
  assert.equal(lines.find(({ what }) => what === 'refusal')?.['reason'], 'signature')
})

test('tail --channel: only of that one, with its progress', async () => {
  const { items } = await house.admin.listChannels(house.tenant)
  const channel = items.find(({ name }) => name === 'shop')?.id ?? ''
  const made = await house.admin.createSubscription(house.tenant, {
    name: 'pull',
    mode: 'pull',
    channels: [channel],
  })
  const child = spawn(process.execPath, [MAIN, 'tail', '--channel', 'shop'], {
    env: { PATH: process.env['PATH'], ...env() },
  })
  let shown = ''
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => (shown += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  await until('tail to follow', () => (said.includes('following') ? true : undefined))
  await simulate('slack', '--channel', 'support')
  await simulate('shopify-oauth', '--channel', 'shop')
  await until('a delivery', () => (/accepted.*pending 1/.test(shown) ? true : undefined))
  const auth = { authorization: `Bearer ${made.token}`, 'content-type': 'application/json' }
  const leased = await fetch(`${house.gate.adminUrl}/v1/pull/lease`, {
    method: 'POST',
    headers: auth,
    body: '{}',
  })
  const {
    items: [first],
  } = (await leased.json()) as { items: { lease: string }[] }
  const body = JSON.stringify({ leases: [first?.lease] })
  await fetch(`${house.gate.adminUrl}/v1/pull/ack`, { method: 'POST', headers: auth, body })
  await until('its end', () => (/progress.*done 1/.test(shown) ? true : undefined))
  const closed = once(child, 'close')
  child.kill('SIGTERM')
  await closed
  assert.equal(child.exitCode, 0)
  assert.doesNotMatch(shown, /slack/)
})

function complete(text: string): string {
  return text.slice(0, text.lastIndexOf('\n') + 1)
}

const BODY = '{"zen":"Design for failure."}'
const SIGNATURE = `sha256=${createHmac('sha256', SECRET).update(BODY).digest('hex')}`
const HEAD = `POST /in/chn_1 HTTP/1.1\r\nHost: hooks.example\r\nX-Hub-Signature-256: ${SIGNATURE}\r\n`

async function explain(raw: string, ...words: string[]) {
  const file = join(folder, 'request.txt')
  writeFileSync(file, raw)
  const all = ['source', 'explain', file, '--source', 'github', '--value-file', secretFile, ...words]
  const ended = await gatehouse(all)
  assert.ok(!`${ended.stdout}${ended.stderr}`.includes(SECRET))
  assert.ok(!`${ended.stdout}${ended.stderr}`.includes(SIGNATURE.slice(7)))
  return ended
}

test('explain: a raw request that is genuine passes; an editor’s line break at its end counts not', async () => {
  const { exit, stdout } = await explain(`${HEAD}Content-Length: ${BODY.length}\r\n\r\n${BODY}\n`)
  assert.deepEqual([exit, stdout], [0, 'github: it passes; nothing is wrong with it\n'])
})

test('explain: says what was rewritten, exit 4', async () => {
  const { exit, stdout } = await explain(`${HEAD}\r\n${JSON.stringify(JSON.parse(BODY), null, 2)}`)
  assert.equal(exit, 4)
  assert.match(
    stdout,
    /^github: refused at the step signature; \d+ ways tried\n {2}cause {2}body-reserialised\n.*JSON minified/,
  )
})

test('explain: a header that came twice, in a raw request', async () => {
  const { stdout } = await explain(`${HEAD}x-hub-signature-256: sha256=00\r\n\r\n${BODY}`, '--json')
  const { step, findings } = JSON.parse(stdout) as { step: string; findings: { what: string }[] }
  assert.deepEqual([step, findings[0]?.what], ['header', 'header-duplicated'])
})

test('explain: a record of source check, from stdin, with its own secret', async () => {
  const record = {
    provider: 'github',
    secret: SECRET,
    headers: { 'x-hub-signature-256': SIGNATURE },
    body: BODY,
  }
  const { exit } = await gatehouse(['source', 'explain'], { stdin: JSON.stringify(record) })
  assert.equal(exit, 0)
})

test('explain: stdin for both, neither form, a malformed time: usage and refusals', async () => {
  const both = await gatehouse(['source', 'explain', '-', '--value-file', '-'])
  assert.equal(both.exit, 2)
  assert.equal((await explain('hello')).exit, 1)
  assert.equal((await explain(`${HEAD}\r\n${BODY}`, '--at', 'soon')).exit, 2)
})
