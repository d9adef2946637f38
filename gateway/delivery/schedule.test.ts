import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Next, TRIES, answered, next, parseRetryAfter } from './schedule.ts'

const NOW = Date.UTC(2026, 0, 1)
const HOUR = 3_600_000
const FAILED = { ended: 'failed', code: 'timeout' } as const

const waits = (random: number): unknown[] =>
  Array.from({ length: TRIES }, (_, i) => wait(next(FAILED, i + 1, NOW, random)))

const wait = (after: Next): unknown => (after.state === 'pending' ? after.dueAt - NOW : after.state)

test('next() spreads eight tries over about a day and then gives up', () => {
  assert.deepEqual(waits(0.5), [5_000, 300_000, 1_800_000, 2 * HOUR, 5 * HOUR, 10 * HOUR, 10 * HOUR, 'dead'])
  assert.equal(next(FAILED, TRIES + 5, NOW, 0.5).state, 'dead')
})

test('next() moves each wait by a fifth at most', () => {
  assert.deepEqual(waits(0).slice(0, 2), [4_000, 240_000])
  assert.deepEqual(waits(1).slice(0, 2), [6_000, 360_000])
})

test('any 2xx is done, everything else is tried again, 410 is dead at once', () => {
  for (const status of [200, 202, 204, 299])
    assert.deepEqual(answered(status, undefined, NOW), { ended: 'done', status })
  for (const status of [199, 300, 302, 400, 401, 404, 429, 500, 503]) {
    assert.equal(next(answered(status, undefined, NOW), 1, NOW, 0.5).state, 'pending', String(status))
  }
  assert.equal(next(answered(410, undefined, NOW), 1, NOW, 0.5).state, 'dead')
})

test('Retry-After is never undercut, and capped at a day', () => {
  const after = (text: string, attempt = 1): unknown => wait(next(answered(503, text, NOW), attempt, NOW, 0))
  assert.equal(after('60'), 60_000)
  assert.equal(after('Thu, 01 Jan 2026 01:00:00 GMT'), HOUR)
  assert.equal(after('999999999'), 24 * HOUR)
  assert.equal(after('1'), 4_000, 'sooner than the schedule asks for nothing')
  assert.equal(after('Wed, 31 Dec 2025 23:00:00 GMT'), 4_000)
  assert.equal(after('60', TRIES), 'dead')
})

test('parseRetryAfter() takes nothing it does not know', () => {
  for (const text of [
    '',
    '-1',
    '1.5',
    '1e3',
    'soon',
    '2026-01-01',
    'Thu, 99 Jan 2026 01:00:00 GMT',
    '0x10',
    ' 5',
  ]) {
    assert.equal(parseRetryAfter(text, NOW), undefined, text)
  }
})

test('a released try does not count, and a wait asked for by the app is kept', () => {
  assert.deepEqual(next({ ended: 'released' }, TRIES, NOW, 0.5), {
    state: 'pending',
    dueAt: NOW,
    counts: false,
  })
  assert.equal(wait(next({ ...FAILED, delayMs: 0 }, 3, NOW, 0.5)), 0)
  assert.equal(wait(next({ ...FAILED, delayMs: 100 * HOUR }, 3, NOW, 0.5)), 24 * HOUR)
  assert.equal(next({ ...FAILED, delayMs: 0 }, TRIES, NOW, 0.5).state, 'dead')
})
