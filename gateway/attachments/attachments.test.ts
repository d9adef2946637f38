/**
 * Attachments from a file server on loopback. In: files as they are, as they pretend to be, and servers that lie. Out: the
 * bytes, or the sentence why not. Refuses to pass when an executable gets through, a redirect is followed, or a token
 * leaves for another host.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type RequestListener, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { openDialler } from '../egress/dial.ts'
import { decide } from './decide.ts'
import { type Attachment, Attachments, type Opened } from './open.ts'

const PNG = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.alloc(50)])
const ELF = Buffer.concat([Buffer.from('7f454c46020101', 'hex'), Buffer.alloc(50)])
const CAP = 1_000

interface Setup {
  readonly host: string
  readonly open: (path: string, more?: Partial<Attachment>, hosts?: readonly string[]) => Promise<Opened>
}

async function files(t: TestContext, listener: RequestListener): Promise<Setup> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const dialler = openDialler({
    config: { except: [], allowLoopback: true },
    resolve: async () => ['127.0.0.1'],
    limits: { headersMs: 300, drainMs: 50 },
  })
  t.after(async () => {
    server.closeAllConnections()
    server.close()
    await dialler.close()
  })
  const host = `localhost:${(server.address() as AddressInfo).port}`
  const attachments = new Attachments({
    get: (url, options) => dialler.get(url, { ...options, totalMs: 500 }),
    cap: CAP,
  })
  const { signal } = new AbortController()
  return {
    host,
    open: (path, more, hosts = [host]) =>
      attachments.open({
        attachment: { url: `http://${host}${path}`, ...more },
        hosts,
        token: 'xoxb-1',
        signal,
      }),
  }
}

const why = (opened: Opened): string => ('problem' in opened ? opened.problem : 'opened')

test('a picture is fetched when it is asked for, with the token of its vendor', async (t) => {
  const seen: unknown[] = []
  const { open } = await files(t, ({ headers }, response) => {
    seen.push(headers.authorization)
    response.end(PNG)
  })
  const opened = await open('/a.png', { contentType: 'image/png', size: PNG.length })
  assert.ok('bytes' in opened && opened.bytes.equals(PNG))
  assert.deepEqual(seen, ['Bearer xoxb-1'])
})

test('an executable that is called a picture is refused', async (t) => {
  const { open } = await files(
    t,
    (_, response) => void response.setHeader('content-type', 'image/png').end(ELF),
  )
  assert.match(
    why(await open('/a.png', { contentType: 'image/png', size: ELF.length })),
    /executable \(ELF\)/,
  )
  assert.match(why(await open('/a', {})), /executable/)
})

test('no other host is called, and no token leaves for it', async (t) => {
  const { open, host } = await files(t, () => assert.fail('the host was called'))
  for (const hosts of [[], ['files.slack.com'], [`${host}.example.com`], ['localhost']])
    assert.match(why(await open('/a', {}, hosts)), /host is not one of this vendor/)
  assert.match(why(await open('', { url: `http://${host}@169.254.169.254/` })), /host is not/)
  assert.match(why(await open('', { url: 'not a url' })), /host is not/)
})

test('a redirect to metadata is not followed', async (t) => {
  let calls = 0
  const { open } = await files(t, (_, response) => {
    calls++
    response.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data/' }).end(PNG)
  })
  assert.match(why(await open('/a.png', { contentType: 'image/png' })), /answered 302/)
  assert.equal(calls, 1)
})

test('sizes are held to: as declared, as announced, as they come', async (t) => {
  let calls = 0
  const { open } = await files(t, ({ url }, response) => {
    calls++
    if (url === '/announced') return void response.writeHead(200, { 'content-length': CAP + 1 }).write('a')
    if (url === '/short') return void response.end(PNG)
    const more = setInterval(() => response.write(Buffer.alloc(300)), 1)
    response.once('close', () => clearInterval(more))
  })
  assert.match(why(await open('/declared', { size: CAP + 1 })), /larger than 1000/)
  assert.equal(calls, 0, 'what is declared too large is not asked for')
  assert.match(why(await open('/announced', { size: 10 })), /answer-too-large/)
  assert.match(why(await open('/endless', { size: 10 })), /answer-too-large/)
  assert.match(why(await open('/short', { size: PNG.length + 1 })), /declared/)
})

test('four at once, and a server that never answers gives its place back', async (t) => {
  const { open } = await files(t, () => {})
  const opened = await Promise.all(Array.from({ length: 6 }, () => open('/slow')))
  assert.equal(opened.filter((one) => /are under way/.test(why(one))).length, 2)
  assert.match(why(await open('/slow')), /timeout/)
})

test('decide() holds bytes to the family that was declared', () => {
  const hex = (text: string): Buffer =>
    Buffer.concat([Buffer.from(text.replaceAll(' ', ''), 'hex'), Buffer.alloc(32)])
  const zip = hex('504b0304')
  const cases: readonly (readonly [string, Buffer, string | undefined])[] = [
    ['as-declared', PNG, 'image/png'],
    ['as-declared', hex('ffd8ffe0'), 'image/jpeg; q=1'],
    ['as-declared', hex('ffd8ffe0'), 'image/png'],
    ['as-declared', hex('52494646 00000000 57454250'), 'image/webp'],
    ['as-declared', hex('00000018 66747970 6d703432'), 'video/mp4'],
    ['as-declared', hex('4f676753'), 'audio/ogg'],
    ['as-declared', Buffer.from('#!AMR\n'), 'audio/amr'],
    ['as-declared', Buffer.from('%PDF-1.7'), 'application/pdf'],
    ['as-declared', Buffer.from('<svg xmlns="x">'), 'image/svg+xml'],
    ['as-declared', Buffer.from('hello'), 'text/plain'],
    ['as-declared', zip, 'application/zip'],
    ['undeclared', Buffer.from('hello'), undefined],
    ['executable', hex('4d5a9000'), 'image/png'],
    ['executable', hex('cffaedfe'), 'video/mp4'],
    ['executable', hex('cafebabe'), undefined],
    ['executable', Buffer.from('#!/bin/sh\n'), 'text/plain'],
    ['executable', hex('0061736d'), 'application/wasm'],
    ['executable', hex('6465780a'), 'application/octet-stream'],
    ['macros', Buffer.concat([zip, Buffer.from('word/vbaProject.bin')]), 'application/vnd.ms-word'],
    ['type-mismatch', Buffer.from('<!doctype html><script>'), 'image/png'],
    ['type-mismatch', Buffer.from('\uFEFF <!-- a --><?xml version="1.0"?><svg onload="x">'), 'image/gif'],
    ['type-mismatch', Buffer.from('\uFEFF<html>', 'utf16le'), 'image/gif'],
    ['type-mismatch', Buffer.from('hello'), 'image/png'],
    ['type-mismatch', zip, 'image/png'],
    ['type-mismatch', PNG, 'video/mp4'],
    ['type-mismatch', PNG, 'image/svg+xml'],
    ['type-mismatch', PNG, 'application/pdf'],
    ['type-mismatch', Buffer.alloc(0), 'image/png'],
  ]
  for (const [rule, bytes, contentType] of cases)
    assert.equal(
      decide(bytes, { contentType }).rule,
      rule,
      `${contentType}: ${bytes.toString('latin1', 0, 20)}`,
    )
  assert.equal(decide(PNG, { size: 1 }).rule, 'size-mismatch')
})

test('decide() that fails has not allowed anything', () => {
  // A boundary: what the type says cannot be.
  const broken = { contentType: 7 } as unknown as { contentType: string }
  assert.deepEqual(decide(PNG, broken).verdict, 'deny')
})
