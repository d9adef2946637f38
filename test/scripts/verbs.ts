/**
 * The verbs of behaviour scripts (`README.md` explains them to a writer). In: the world and the words after the verb.
 * Out: the world changed, its `last` answer set. Refuses by throwing, which fails the script at that line.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { startGate } from '../support/gate.ts'
import { environmentOf, type Sent, type World } from './world.ts'

const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url))
/** Milliseconds for one command, or for a delivery to come; two busy processors need a few seconds. */
const PATIENCE = 20_000
/** Milliseconds after which nothing more is coming: longer than the gate takes for a push. */
const SETTLE = 400

type Verb = (world: World, words: readonly string[]) => Promise<void>

export const VERBS: Readonly<Record<string, Verb>> = {
  gatehouse,
  gate,
  app,
  slack,
  again,
  keep,
  until,
  async stdout(world, [pattern = '']) {
    assert.match(world.last.stdout, new RegExp(pattern, 'm'))
  },
  async stderr(world, [pattern = '']) {
    assert.match(world.last.stderr, new RegExp(pattern, 'm'))
  },
  async exit(world, [code]) {
    assert.equal(world.last.exit, Number(code), world.last.stderr)
  },
}

async function gatehouse(world: World, words: readonly string[]): Promise<void> {
  const input = words.indexOf('<')
  const argv = input < 0 ? words : words.slice(0, input)
  const env = environmentOf(world)
  const child = spawn(process.execPath, [MAIN, ...argv], { cwd: world.folder, env, timeout: PATIENCE })
  child.stdin.end(input < 0 ? '' : await readFile(join(world.folder, words[input + 1] ?? '')))
  const closed = once(child, 'close')
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  await closed
  world.last = { exit: child.exitCode, stdout, stderr }
}

/** until <pattern> <words of gatehouse>: asks again until the answer matches, for what is written a little later. */
async function until(world: World, [pattern = '', ...words]: readonly string[]): Promise<void> {
  const end = Date.now() + PATIENCE
  do await gatehouse(world, words)
  while (!new RegExp(pattern, 'm').test(world.last.stdout) && Date.now() < end)
  assert.match(world.last.stdout, new RegExp(pattern, 'm'))
}

async function gate(world: World, [verb]: readonly string[]): Promise<void> {
  if (verb === 'up') {
    const env = { ...environmentOf(world), ...sameListeners(world), GATEHOUSE_PUSH_ALLOW_LOOPBACK: 'true' }
    world.gate = await startGate({ data: join(world.folder, 'data'), env })
    world.names.set('ADMIN', world.gate.adminUrl).set('PUBLIC', world.gate.publicUrl)
    world.names.set('CLAIM', world.gate.claim ?? 'none')
    return
  }
  const stopped = verb === 'kill' ? await world.gate?.kill() : await world.gate?.stop()
  world.gate = undefined
  if (verb === 'stop') assert.equal(stopped, 0, 'the exit code of the gate')
}

/** A second start listens where the first did, so that stored tokens and vendors find it again. */
function sameListeners(world: World): Record<string, string> {
  const [admin, open] = [world.names.get('ADMIN'), world.names.get('PUBLIC')]
  if (admin === undefined || open === undefined) return {}
  return { GATEHOUSE_ADMIN_LISTEN: new URL(admin).host, GATEHOUSE_PUBLIC_LISTEN: new URL(open).host }
}

async function app(world: World, [verb, argument = '']: readonly string[]): Promise<void> {
  if (verb === 'up') return startApp(world)
  if (verb === 'checks') return checkSignatures(world, argument)
  const end = Date.now() + PATIENCE
  while (world.got.length < Number(argument) && Date.now() < end) await pause(25)
  await pause(SETTLE)
  assert.equal(world.got.length, Number(argument), 'deliveries that reached the app')
  world.last = { exit: 0, stdout: world.got.map(({ body }) => body).join('\n'), stderr: '' }
}

async function startApp(world: World): Promise<void> {
  const server = createServer((request, response) => {
    text(request).then(
      (body) => {
        world.got.push({ headers: request.headers, body })
        response.writeHead(204).end()
      },
      () => response.destroy(),
    )
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  world.app = server
  world.names.set('APP', `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/hook`)
}

/** Standard Webhooks by hand, so that the check shares no code with what signed. */
async function checkSignatures(world: World, secretFile: string): Promise<void> {
  const secret = (await readFile(join(world.folder, secretFile), 'utf8')).trim()
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  for (const { headers, body } of world.got) {
    const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`
    const expected = `v1,${createHmac('sha256', key).update(signed).digest('base64')}`
    assert.ok(
      String(headers['webhook-signature']).split(' ').includes(expected),
      'a signature the app can check',
    )
  }
}

/** slack <path> <secret file> <body file> [seconds ago] */
async function slack(world: World, words: readonly string[]): Promise<void> {
  const [path = '', secretFile = '', bodyFile = '', ago = '0'] = words
  const secret = (await readFile(join(world.folder, secretFile), 'utf8')).trim()
  const body = await readFile(join(world.folder, bodyFile))
  const at = String(Math.floor(Date.now() / 1000) - Number(ago))
  const signature = createHmac('sha256', secret).update(`v0:${at}:`).update(body).digest('hex')
  const headers = {
    'content-type': 'application/json',
    'x-slack-request-timestamp': at,
    'x-slack-signature': `v0=${signature}`,
  }
  await send(world, { url: `${world.names.get('PUBLIC')}${path}`, headers, body })
}

async function again(world: World): Promise<void> {
  assert.ok(world.sent, 'nothing was sent yet')
  await send(world, world.sent)
}

/** The answer is `last`: its status and body on stdout; exit 0 for 2xx, so that `!` means refused. */
async function send(world: World, sent: Sent): Promise<void> {
  const { url, headers } = sent
  const response = await fetch(url, { method: 'POST', headers, body: new Uint8Array(sent.body) })
  world.last = {
    exit: response.ok ? 0 : 1,
    stdout: `${response.status} ${await response.text()}`,
    stderr: '',
  }
  world.sent = sent
}

/** keep <NAME> <dotted path> [file]: a value of the last answer's JSON, as `$NAME` and perhaps in a file. */
async function keep(world: World, [name = '', path = '', file]: readonly string[]): Promise<void> {
  const whole: unknown = JSON.parse(world.last.stdout)
  const value = path.split('.').reduce<unknown>((inner, key) => {
    return typeof inner === 'object' && inner !== null
      ? Object.entries(inner).find(([own]) => own === key)?.[1]
      : undefined
  }, whole)
  assert.equal(typeof value, 'string', `${path} of ${world.last.stdout}`)
  world.names.set(name, String(value))
  if (file !== undefined) await writeFile(join(world.folder, file), `${String(value)}\n`, { mode: 0o600 })
}
