import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BREAKER, holdAfter, signOf, Windows } from './breaker.ts'
import { Room } from './room.ts'

const NOW = 1_700_000_000_000

test('signOf(): away is no connection, no answer or 5xx; 429 and 503 that name a time ask for it; all else is alive', () => {
  const failed = (code: string, status?: number, notBefore?: number) =>
    signOf({
      ended: 'failed',
      code,
      ...(status !== undefined && { status }),
      ...(notBefore !== undefined && { notBefore }),
    }).sign
  for (const code of [
    'resolve-failed',
    'connect-refused',
    'connect-timeout',
    'tls-failed',
    'timeout',
    'reset',
  ])
    assert.equal(failed(code), 'failed', code)
  for (const status of [500, 502, 503, 504]) assert.equal(failed(`status-${status}`, status), 'failed')
  for (const status of [301, 400, 404, 410, 429]) assert.equal(failed(`status-${status}`, status), 'fine')
  for (const code of ['address-denied', 'url-refused', 'content-gone', 'internal'])
    assert.equal(failed(code), 'nothing', code)
  assert.equal(failed('status-429', 429, NOW), 'asked')
  assert.equal(failed('status-503', 503, NOW), 'asked')
  assert.equal(failed('status-500', 500, NOW), 'failed')
  assert.equal(signOf({ ended: 'done', status: 200 }).sign, 'fine')
  assert.equal(signOf({ ended: 'released' }).sign, 'nothing')
})

test('a window opens at ten tries of which half failed, within thirty seconds, and not before', () => {
  const windows = new Windows()
  for (let i = 0; i < 9; i++) assert.equal(windows.note('a', true, NOW), false)
  assert.equal(windows.note('b', true, NOW), false, 'another destination is counted apart')
  assert.equal(windows.note('a', true, NOW), true)
  const mixed = new Windows()
  for (let i = 0; i < 11; i++) mixed.note('a', false, NOW)
  for (let i = 0; i < 10; i++) assert.equal(mixed.note('a', true, NOW + 1_000), false)
  assert.equal(mixed.note('a', true, NOW + 1_000), true)
  const slow = new Windows()
  for (let i = 0; i < 9; i++) slow.note('a', true, NOW)
  assert.equal(slow.note('a', true, NOW + BREAKER.windowMs + 1_000), false, 'the nine are too old')
  slow.forget('a')
  for (let i = 0; i < 9; i++) assert.equal(slow.note('a', true, NOW + 40_000), false)
})

test('holds double from thirty seconds to five minutes', () => {
  const holds: number[] = []
  for (let hold = holdAfter(undefined); holds.length < 6; hold = holdAfter(hold)) holds.push(hold / 1_000)
  assert.deepEqual(holds, [30, 60, 120, 240, 300, 300])
})

const ready = (subscription: string, tenant: string, probe = false) => ({ subscription, tenant, probe })

test('room is shared round the tenants, within the limits of tenant and subscription', () => {
  const room = new Room({ total: 32, tenant: 16, each: 8, spare: 16 })
  const many = Array.from({ length: 10 }, (_, i) => ready(`a${i}`, 'A'))
  const given = new Map(room.shares([...many, ready('b', 'B')]).map((one) => [one.subscription, one.limit]))
  assert.equal(given.get('b'), 8)
  assert.equal(
    many.reduce((sum, { subscription }) => sum + (given.get(subscription) ?? 0), 0),
    16,
  )
  assert.deepEqual(room.shares([ready('a', 'A')]), [{ subscription: 'a', limit: 8 }])
  assert.deepEqual(room.shares([ready('a', 'A', true)]), [{ subscription: 'a', limit: 1, probe: true }])
})

test('a tenant with nothing in flight finds a spare slot in a full room, others do not', () => {
  const room = new Room({ total: 4, tenant: 2, each: 2, spare: 2 })
  for (const tenant of ['A', 'A', 'B', 'B']) room.enter(`of ${tenant}`, tenant)
  assert.deepEqual(room.shares([ready('of A', 'A'), ready('of B', 'B')]), [])
  assert.deepEqual(room.shares([ready('c', 'C')]), [{ subscription: 'c', limit: 1 }])
  room.enter('c', 'C')
  room.enter('d', 'D')
  assert.deepEqual(room.shares([ready('e', 'E')]), [], 'the spare room is full too')
  room.leave('of A', 'A')
  assert.deepEqual(room.shares([ready('e', 'E')]), [{ subscription: 'e', limit: 1 }])
})
