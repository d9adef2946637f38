/**
 * Ids: their form, their order, their number. In: times, also ones that stand still or go back. Out: nothing. Refuses two
 * that are the same and one that sorts before an older one.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Ids, newId } from './id.ts'

test('an id is its prefix and 26 characters of Crockford base 32', () => {
  assert.match(newId('dlv_', Date.now()), /^dlv_[0-9a-hjkmnp-tv-z]{26}$/)
  // 48 bits of milliseconds come first: the largest, and zero.
  assert.match(new Ids().next('dlv_', 2 ** 48 - 1), /^dlv_7zzzzzzzzz/)
  assert.match(new Ids().next('dlv_', 1), /^dlv_0000000001/)
})

test('ids of one process sort in the order they were made, whatever the clock does', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 2, maxLength: 400 }), (times) => {
      const ids = new Ids()
      const made = times.map((time) => ids.next('dlv_', 1_700_000_000_000 + time))
      for (const [i, id] of made.entries())
        assert.ok(i === 0 || id > (made[i - 1] ?? ''), `${made[i - 1]} < ${id}`)
    }),
  )
})

test('two processes make no id twice, in one millisecond too', () => {
  const makers = [new Ids(), new Ids(), new Ids()]
  const made = new Set(
    makers.flatMap((ids) => Array.from({ length: 2_000 }, (_, i) => ids.next('dlv_', 5 + (i >> 6)))),
  )
  assert.equal(made.size, 6_000)
})
