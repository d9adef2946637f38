import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type RequestListener, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type DialDeps, type Fetched, type GetOptions, openDialler } from './dial.ts'

const OPTIONS: GetOptions = { cap: 100, accept: 'application/json' }

interface Setup {
  readonly url: string
  readonly get: (path: string, options?: Partial<GetOptions>) => Promise<Fetched>
}

async function host(t: TestContext, listener: RequestListener, deps: Partial<DialDeps> = {}): Promise<Setup> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const config = { except: [], allowLoopback: true }
  const limits = { connectMs: 400, headersMs: 300, totalMs: 600, drainMs: 100 }
  const dialler = openDialler({ config, resolve: async () => ['127.0.0.1'], limits, ...deps })
  t.after(async () => {
    server.closeAllConnections()
    server.close()
    await dialler.close()
  })
  const url = `http://localhost:${(server.address() as AddressInfo).port}`
  return { url, get: (path, options) => dialler.get(url + path, { ...OPTIONS, ...options }) }
}

const code = (fetched: Fetched): string => (fetched.answered ? String(fetched.status) : fetched.code)

test('get() brings the bytes and their type, and sends what it was told to', async (t) => {
  const seen: unknown[] = []
  const { get } = await host(t, ({ method, url, headers }, response) => {
    seen.push(method, url, headers.accept, headers['accept-encoding'], headers.authorization)
    response.setHeader('content-type', 'application/json; charset=utf-8').end('{"a":1}')
  })
  const fetched = await get('/keys?a=1', { authorization: 'Bearer x' })
  assert.ok(fetched.answered)
  assert.equal(fetched.body.toString(), '{"a":1}')
  assert.equal(fetched.contentType, 'application/json; charset=utf-8')
  assert.deepEqual(seen, ['GET', '/keys?a=1', 'application/json', 'identity', 'Bearer x'])
})

test('get() keeps nothing over its cap, whatever was declared', async (t) => {
  const { get } = await host(t, ({ url }, response) => {
    if (url === '/declared') return void response.writeHead(200, { 'content-length': 101 }).write('a')
    if (url === '/endless') {
      const more = setInterval(() => response.write(Buffer.alloc(30)), 1)
      return void response.once('close', () => clearInterval(more))
    }
    response.end(Buffer.alloc(url === '/just' ? 100 : 101))
  })
  assert.equal(code(await get('/declared')), 'answer-too-large')
  assert.equal(code(await get('/endless')), 'answer-too-large')
  assert.equal(code(await get('/over')), 'answer-too-large')
  const just = await get('/just')
  assert.ok(just.answered && just.body.length === 100)
})

test('get() takes no encoded answer: a few bytes could become any number', async (t) => {
  const { get } = await host(t, (_, response) => void response.setHeader('content-encoding', 'gzip').end('x'))
  assert.equal(code(await get('/')), 'answer-malformed')
})

test('get() follows no redirect and brings nothing of it', async (t) => {
  let calls = 0
  const { get } = await host(t, (_, response) => {
    calls++
    response.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data/' }).end('elsewhere')
  })
  const fetched = await get('/')
  assert.ok(fetched.answered && fetched.status === 302 && fetched.body.length === 0)
  assert.equal(calls, 1)
})

test('get() ends in time: a host that stops in the middle, a caller who gives up, a shorter wait', async (t) => {
  const { get } = await host(t, (_, response) => void response.writeHead(200).write('a'))
  assert.equal(code(await get('/')), 'timeout')
  assert.equal(code(await get('/', { totalMs: 50 })), 'timeout')
  const stop = new AbortController()
  setTimeout(() => stop.abort(), 50)
  assert.equal(code(await get('/', { signal: stop.signal })), 'stopped')
})

test('get() goes nowhere that post() would not go', async (t) => {
  const fail: RequestListener = () => assert.fail('the host was called')
  const mixed = await host(t, fail, { resolve: async () => ['127.0.0.1', '169.254.169.254'] })
  assert.equal(code(await mixed.get('/')), 'address-denied')
  const strict = openDialler({
    config: { except: [], allowLoopback: false },
    resolve: async () => ['127.0.0.1'],
  })
  t.after(() => strict.close())
  assert.equal(code(await strict.get('https://example.com/', OPTIONS)), 'address-denied')
  assert.equal(code(await strict.get('http://example.com/', OPTIONS)), 'url-refused')
  assert.equal(code(await strict.get('https://u:p@example.com/', OPTIONS)), 'url-refused')
})

test('get() cut short by the host is no answer', async (t) => {
  const { get } = await host(t, (_, response) => {
    response.writeHead(200, { 'content-length': 50 }).write('a', () => response.destroy())
  })
  assert.equal(code(await get('/')), 'reset')
})
