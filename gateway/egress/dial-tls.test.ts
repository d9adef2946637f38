import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { test } from 'node:test'
import { openDialler } from './dial.ts'

/** For receiver.example.com, valid for a century, its key known to all who read this. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBtTCCAVygAwIBAgIUYCZoeov3gW5nmnkZFKUxnGk2oTQwCgYIKoZIzj0EAwIw
HzEdMBsGA1UEAwwUcmVjZWl2ZXIuZXhhbXBsZS5jb20wIBcNMjYxMTIwMTcyMDU1
WhgPMjEyNjEwMjcxNzIwNTVaMB8xHTAbBgNVBAMMFHJlY2VpdmVyLmV4YW1wbGUu
Y29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAErNZDHgCTYtVQhxw3oF2A6iBU
WamjFq85/6FUbuAc/dIPL1TSb5W0GiRWn+owqp+Mm7gybcFWreNNmZ3ZcbYGx6N0
MHIwHQYDVR0OBBYEFLPC6xviVarvX6uJxSd0yI69ca2AMB8GA1UdIwQYMBaAFLPC
6xviVarvX6uJxSd0yI69ca2AMA8GA1UdEwEB/wQFMAMBAf8wHwYDVR0RBBgwFoIU
cmVjZWl2ZXIuZXhhbXBsZS5jb20wCgYIKoZIzj0EAwIDRwAwRAIgSHcpE1tfQYoQ
km6BZajP8tOG12NOQdxGT2Heh/fYCFcCIEUJ48Lh7iwUsVe3Z/UGKZuqukL/04zW
tA7ESC33JZpV
-----END CERTIFICATE-----`
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgbM3MFqrv20gXPu9d
ehFqA9lM0z0YgyhpQtONLQ+hSKOhRANCAASs1kMeAJNi1VCHHDegXYDqIFRZqaMW
rzn/oVRu4Bz90g8vVNJvlbQaJFaf6jCqn4ybuDJtwVat402ZndlxtgbH
-----END PRIVATE KEY-----`

test('post() speaks TLS to the host of the URL: its name in SNI and certificate, whatever the address', async (t) => {
  const names: unknown[] = []
  const server = createServer({ cert: CERTIFICATE, key: KEY }, (request, response) => {
    names.push((request.socket as TLSSocket).servername, request.headers.host)
    response.end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  const config = { except: [], allowLoopback: true }
  const trusting = openDialler({ config, resolve: async () => ['127.0.0.1'], ca: CERTIFICATE })
  const usual = openDialler({ config, resolve: async () => ['127.0.0.1'] })
  t.after(() => Promise.all([trusting.close(), usual.close()]))

  const answered = await trusting.post(`https://receiver.example.com:${port}/`, {}, Buffer.from('x'))
  assert.deepEqual(answered, { answered: true, status: 200, retryAfter: undefined })
  assert.deepEqual(names, ['receiver.example.com', `receiver.example.com:${port}`])
  for (const [dialler, host] of [
    [trusting, 'other.example.com'],
    [trusting, '127.0.0.1'],
    [usual, 'receiver.example.com'],
  ] as const) {
    const refused = await dialler.post(`https://${host}:${port}/`, {}, Buffer.from('x'))
    assert.ok(!refused.answered && refused.code === 'tls-failed', host)
  }
  assert.equal(names.length, 2)
})
