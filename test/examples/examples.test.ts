/**
 * The apps of `examples/`, each run against a real gate. In: the files as they stand. Out: what an app prints and what the
 * vendor hears. Refuses an app of more than thirty lines, one that needs a package, and one that takes forged pushes.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { freePort } from '../support/free-port.ts'
import { type House, openHouse, openLine, send, until } from '../support/ingress.ts'

const LINES = 30
const SECRET = 'a secret of the examples'
const NAMES = ['push', 'pull', 'sync'] as const

let house: House
before(async () => {
  house = await openHouse({ engine: 'sqlite', file: '' })
})
after(async () => await house.close())

function fileOf(name: string): string {
  return fileURLToPath(new URL(`../../examples/${name}/app.mjs`, import.meta.url))
}

for (const name of NAMES) {
  test(`examples/${name}: thirty lines of plain JavaScript, nothing but Node`, () => {
    const text = readFileSync(fileOf(name), 'utf8')
    assert.ok(text.trimEnd().split('\n').length <= LINES)
    for (const [, from = ''] of text.matchAll(/from '([^']+)'/g)) assert.match(from, /^node:/)
  })
}

interface Running {
  readonly child: ChildProcess
  printed(): string
}

function run(name: string, env: Record<string, string>): Running {
  const child = spawn(process.execPath, [fileOf(name)], { env: { PATH: process.env['PATH'], ...env } })
  let printed = ''
  child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (printed += chunk.toString()))
  return { child, printed: () => printed }
}

async function stop({ child }: Running): Promise<void> {
  if (child.exitCode !== null) return
  const closed = once(child, 'close')
  child.kill('SIGKILL')
  await closed
}

function slackHeaders(body: string, type: string): Record<string, string> {
  const time = String(Math.floor(Date.now() / 1_000))
  const signature = createHmac('sha256', SECRET).update(`v0:${time}:${body}`).digest('hex')
  return { 'content-type': type, 'x-slack-request-timestamp': time, 'x-slack-signature': `v0=${signature}` }
}

async function say(path: string, text: string): Promise<void> {
  const event = { type: 'message', user: 'U1', channel: 'C1', text }
  const body = JSON.stringify({ type: 'event_callback', team_id: 'T1', event_id: `Ev-${text}`, event })
  const { status } = await send(house.gate.publicUrl + path, {
    headers: slackHeaders(body, 'application/json'),
    body,
  })
  assert.equal(status, 200)
}

/** Makes the subscription first, as its secret is shown once, and the app on the port that it was told. */
async function pushed(
  name: 'push' | 'sync',
  sync: boolean,
): Promise<{ app: Running; path: string; url: string }> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}/`
  const line = await openLine(house, 'slack', SECRET)
  const made = await house.admin.createSubscription(house.tenant, {
    name: `${name}-app`,
    mode: 'push',
    url,
    channels: [line.id],
    ...(sync && { sync: true }),
  })
  const app = run(name, { SECRET: made.secret ?? '', PORT: String(port) })
  await until(`${name} to listen`, () => (app.printed().includes('listening') ? true : undefined))
  return { app, path: line.path, url }
}

test('examples/push: prints what the vendor said, and answers 401 to what the gate did not sign', async () => {
  const { app, path, url } = await pushed('push', false)
  try {
    await say(path, 'hello-push')
    await until('the push', () => (/^dlv_\w+ message hello-push$/m.test(app.printed()) ? true : undefined))
    const forged = { 'webhook-id': 'dlv_1', 'webhook-timestamp': String(Math.floor(Date.now() / 1_000)) }
    assert.equal((await send(url, { headers: forged, body: '{}' })).status, 401)
    const signature = `v1,${Buffer.alloc(32).toString('base64')}`
    assert.equal(
      (await send(url, { headers: { ...forged, 'webhook-signature': signature }, body: '{}' })).status,
      401,
    )
    assert.doesNotMatch(app.printed(), /dlv_1 /)
  } finally {
    await stop(app)
  }
})

test('examples/pull: prints what the vendor said, and acknowledges it', async () => {
  const line = await openLine(house, 'slack', SECRET)
  const { admin, tenant, gate } = house
  const made = await admin.createSubscription(tenant, { name: 'pull-app', mode: 'pull', channels: [line.id] })
  const app = run('pull', { GATE: gate.adminUrl, TOKEN: made.token ?? '' })
  try {
    await say(line.path, 'hello-pull')
    await until('the pull', () => (/^dlv_\w+ message hello-pull$/m.test(app.printed()) ? true : undefined))
    await until('the acknowledgement', async () => {
      const { items } = await admin.listDeliveries(tenant, { channel: line.id })
      return items[0]?.dispatches[0]?.state === 'done' ? true : undefined
    })
  } finally {
    await stop(app)
  }
})

test('examples/sync: the vendor hears the app', async () => {
  const { app, path } = await pushed('sync', true)
  try {
    const fields = {
      team_id: 'T1',
      channel_id: 'C1',
      user_id: 'U1',
      user_name: 'ada',
      command: '/deploy',
      text: 'now',
      trigger_id: 'tr1',
    }
    const body = new URLSearchParams(fields).toString()
    const headers = slackHeaders(body, 'application/x-www-form-urlencoded')
    const heard = await send(house.gate.publicUrl + path, { headers, body })
    assert.equal(heard.status, 200)
    assert.deepEqual(JSON.parse(heard.body), { response_type: 'ephemeral', text: '/deploy: now for ada' })
  } finally {
    await stop(app)
  }
})
