import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type RequestListener, createServer } from 'node:http'
import net from 'node:net'
import { type TestContext, test } from 'node:test'
import { range } from './address-text.ts'
import { judge } from './address.ts'
import { connect } from './connect.ts'
import { type DialDeps, type Dialled, openDialler } from './dial.ts'
import { readTarget } from './target.ts'

const BODY = Buffer.from('{"hello":1}')
const HEADERS = { 'content-type': 'application/json' }

interface Setup {
  readonly port: number
  readonly post: (url: string, signal?: AbortSignal) => Promise<Dialled>
}

/** A receiver on loopback and a dialler that may reach it. */
async function receiver(
  t: TestContext,
  listener: RequestListener,
  deps: Partial<DialDeps> = {},
): Promise<Setup> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return { port: (server.address() as net.AddressInfo).port, post: dialler(t, deps) }
}

function dialler(t: TestContext, deps: Partial<DialDeps> = {}): Setup['post'] {
  const dial = openDialler({
    config: { except: [], allowLoopback: true },
    resolve: async () => ['127.0.0.1'],
    ...deps,
    limits: { connectMs: 400, headersMs: 300, totalMs: 900, drainMs: 100, ...deps.limits },
  })
  t.after(() => dial.close())
  return (url, signal) => dial.post(url, HEADERS, BODY, signal)
}

const code = (dialled: Dialled): string => (dialled.answered ? String(dialled.status) : dialled.code)

test('post() sends the bytes to the host of the URL and gives back status and Retry-After', async (t) => {
  const seen: unknown[] = []
  const { port, post } = await receiver(t, (request, response) => {
    request.on('data', (chunk: Buffer) => seen.push(chunk.toString()))
    request.on('end', () => {
      seen.push(request.method, request.url, request.headers.host, request.headers['content-type'])
      response.writeHead(503, { 'retry-after': '7' }).end('later')
    })
  })
  const dialled = await post(`http://localhost:${port}/hook?a=1`)
  assert.deepEqual(dialled, { answered: true, status: 503, retryAfter: '7' })
  assert.deepEqual(seen, [BODY.toString(), 'POST', '/hook?a=1', `localhost:${port}`, 'application/json'])
})

test('post() refuses a name when one of its addresses is refused, and opens no connection', async (t) => {
  const { port } = await receiver(t, () => assert.fail('the receiver was called'))
  const resolve = async (): Promise<string[]> => ['127.0.0.1', '10.0.0.1']
  assert.equal(code(await dialler(t, { resolve })(`https://mixed.example.com:${port}/`)), 'address-denied')
})

test('post() refuses metadata under any exception, public answers over http, and local names gone public', async (t) => {
  const open = { except: [range('0.0.0.0/0')], allowLoopback: true }
  const answers = (address: string) => dialler(t, { config: open, resolve: async () => [address] })
  assert.equal(code(await answers('169.254.169.254')('https://example.com/')), 'address-denied')
  const strict = dialler(t, { resolve: async () => ['8.8.8.8'] })
  assert.equal(code(await strict('http://localhost/')), 'address-denied')
  assert.equal(code(await strict('https://app/')), 'address-denied')
  assert.equal(code(await strict('http://example.com/')), 'url-refused')
})

test('post() asks for addresses once and dials only what it was given', async (t) => {
  let asked = 0
  const resolve = async (): Promise<string[]> => (asked++ === 0 ? ['127.0.0.1'] : ['10.0.0.1'])
  const { port, post } = await receiver(t, (_, response) => void response.end(), { resolve })
  assert.equal(code(await post(`http://localhost:${port}/`)), '200')
  assert.equal(code(await post(`http://localhost:${port}/`)), 'address-denied')
  assert.equal(asked, 2)
})

test('post() goes on to the next address only while none can be connected to', async (t) => {
  const { port, post } = await receiver(t, (_, response) => void response.end(), {
    resolve: async () => ['::1', '127.0.0.1'],
  })
  assert.equal(code(await post(`http://localhost:${port}/`)), '200')
})

test('post() follows no redirect', async (t) => {
  let calls = 0
  const { port, post } = await receiver(t, (_, response) => {
    calls++
    response.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data/' }).end()
  })
  assert.equal(code(await post(`http://127.0.0.1:${port}/`)), '302')
  assert.equal(calls, 1)
})

test('post() denies when the resolver fails, hangs or has no answer, and when the judge fails', async (t) => {
  const never = Promise.withResolvers<string[]>()
  const cases: [string, Partial<DialDeps>][] = [
    ['resolve-failed', { resolve: () => Promise.reject(new Error('no DNS')) }],
    ['resolve-failed', { resolve: async () => [] }],
    ['timeout', { resolve: () => never.promise, limits: { totalMs: 100 } }],
    ['address-denied', { judge: () => assert.fail('the judge is broken') }],
    ['address-denied', { resolve: async () => ['not an address'] }],
    ['address-denied', { resolve: async () => Array.from({ length: 65 }, () => '127.0.0.1') }],
  ]
  for (const [expected, deps] of cases)
    assert.equal(code(await dialler(t, deps)('http://localhost/')), expected)
})

test('post() gives up on a receiver that never answers', async (t) => {
  const { port, post } = await receiver(t, () => {})
  assert.equal(code(await post(`http://127.0.0.1:${port}/`)), 'timeout')
})

test('post() tells refused, reset and garbled apart', async (t) => {
  const raw = net
    .createServer((socket) => socket.once('data', (data) => reply(socket, Buffer.from(data))))
    .listen(0, '127.0.0.1')
  const reply = (socket: net.Socket, data: Buffer): void => {
    if (data.includes('/reset')) socket.resetAndDestroy()
    else socket.end('SSH-2.0-OpenSSH_9.9\r\n\r\n')
  }
  await once(raw, 'listening')
  const { port } = raw.address() as net.AddressInfo
  const post = dialler(t)
  assert.equal(code(await post(`http://127.0.0.1:${port}/reset`)), 'reset')
  assert.equal(code(await post(`http://127.0.0.1:${port}/garbled`)), 'answer-malformed')
  assert.equal(code(await post(`https://127.0.0.1:${port}/`)), 'tls-failed')
  await new Promise((closed) => raw.close(closed))
  assert.equal(code(await post(`http://127.0.0.1:${port}/`)), 'connect-refused')
})

test('post() believes the status and throws away an answer that is huge or slow', async (t) => {
  const { port, post } = await receiver(t, (request, response) => {
    response.writeHead(200)
    if (request.url === '/slow') return void response.write('a')
    response.end(Buffer.alloc(32 * 1_024 * 1_024))
  })
  const begun = performance.now()
  assert.equal(code(await post(`http://127.0.0.1:${port}/huge`)), '200')
  assert.equal(code(await post(`http://127.0.0.1:${port}/slow`)), '200')
  assert.ok(performance.now() - begun < 800)
})

test('post() stops when it is told to', async (t) => {
  const { port, post } = await receiver(t, () => {})
  const stop = new AbortController()
  setTimeout(() => stop.abort(), 50)
  assert.equal(code(await post(`http://127.0.0.1:${port}/`, stop.signal)), 'stopped')
})

test('connect() destroys a socket whose peer is another than judged, before anything is written to it', async (t) => {
  let bytes = 0
  const server = net.createServer((socket) => void socket.on('data', (data) => (bytes += data.length)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => void server.close())
  const { port } = server.address() as net.AddressInfo
  const target = readTarget(`http://127.0.0.1:${port}/`)
  const verdict = judge('127.0.0.1', [range('127.0.0.1')])
  assert.ok(target.ok && verdict.verdict === 'allow')
  const elsewhere = Object.create(verdict.address, {
    isPeer: { value: () => false },
  }) as typeof verdict.address
  await assert.rejects(connect(elsewhere, target.target, { timeoutMs: 500 }), { code: 'peer-mismatch' })
  assert.equal(bytes, 0)
})
