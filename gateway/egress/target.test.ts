import assert from 'node:assert/strict'
import { test } from 'node:test'
import { range } from './address-text.ts'
import { pushUrl } from './target.ts'

const strict = { except: [], allowLoopback: false }
const loopback = { except: [], allowLoopback: true }
const internal = { except: [range('10.0.0.0/8')], allowLoopback: false }

test('pushUrl() takes https to a public name or address', () => {
  for (const url of [
    'https://example.com/hook?a=b',
    'https://example.com:8443',
    'https://8.8.8.8/',
    'https://[2606:4700::1]/',
  ]) {
    assert.ok(pushUrl(url, strict).ok, url)
  }
})

test('pushUrl() refuses everything else', () => {
  const refused = [
    '',
    'example.com',
    'http://example.com/',
    'ftp://example.com/',
    'file:///etc/passwd',
    'https://user@example.com/',
    'https://:pw@example.com/',
    'https://example.com:0/',
    'https://example.com:99999/',
    'https://10.0.0.1/',
    'https://0x7f.1/',
    'https://2130706433/',
    'https://[::1]/',
    'https://[::ffff:10.0.0.1]/',
    'https://localhost/',
    'https://localhost./',
    'https://a.localhost/',
    'https://metadata.google.internal/',
    'https://printer.local/',
    'https://app/',
    'https://a..b/',
    'http://127.0.0.1/',
    `https://example.com/${'a'.repeat(2_100)}`,
  ]
  for (const url of refused) assert.ok(!pushUrl(url, strict).ok, url)
})

test('pushUrl() takes http for loopback only, and only where it is allowed', () => {
  for (const url of [
    'http://127.0.0.1:3000/',
    'http://[::1]:3000/',
    'http://localhost:3000/',
    'https://localhost/',
  ]) {
    assert.ok(pushUrl(url, loopback).ok, url)
  }
  for (const url of ['http://10.0.0.1/', 'http://example.com/', 'https://10.0.0.1/'])
    assert.ok(!pushUrl(url, loopback).ok, url)
})

test('pushUrl() leaves local names to their addresses where an exception could open them', () => {
  const read = pushUrl('https://app/', internal)
  assert.ok(read.ok && read.target.needsException)
  assert.ok(pushUrl('https://10.2.3.4/', internal).ok)
  assert.ok(!pushUrl('https://192.168.0.1/', internal).ok)
  assert.ok(!pushUrl('http://10.2.3.4/', internal).ok)
})
