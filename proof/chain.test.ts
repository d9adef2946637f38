/**
 * Holds the hash chain to its definition. In: random entries. Out: nothing. Refuses a chain in which a change, a cut, a
 * swap or an insertion leaves the last hash as it was.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { chained, GENESIS } from './chain.ts'

function last(entries: readonly string[]): string {
  return entries.reduce<Buffer>((hash, entry) => chained(hash, entry), GENESIS).toString('hex')
}

test('a hash is SHA-256 of 0x02, the hash before and the entry, starting from 32 zeros', () => {
  assert.equal(GENESIS.toString('hex'), '00'.repeat(32))
  const first = createHash('sha256')
    .update(`02${'00'.repeat(32)}`, 'hex')
    .update('{"a":"ä"}', 'utf8')
    .digest()
  assert.deepEqual(chained(GENESIS, '{"a":"ä"}'), first)
  // Pinned: an exported log must verify with every later version.
  assert.equal(last(['one', 'two']), '8963a3fdc5afbfe797f11efaa90f2123cdc7c4804f89387e7f5dfc65ef74300a')
})

test('any other list of entries ends in another hash', () => {
  const entries = fc.array(fc.string({ maxLength: 12 }), { minLength: 2, maxLength: 12 })
  fc.assert(
    fc.property(entries, fc.nat(), fc.string({ minLength: 1, maxLength: 4 }), (list, at, text) => {
      const i = at % list.length
      const honest = last(list)
      assert.notEqual(last(list.with(i, `${list[i]}${text}`)), honest)
      assert.notEqual(last(list.toSpliced(i, 1)), honest)
      assert.notEqual(last(list.toSpliced(i, 0, text)), honest)
      const j = (i + 1) % list.length
      if (list[i] !== list[j]) {
        assert.notEqual(last(list.with(i, list[j] ?? '').with(j, list[i] ?? '')), honest)
      }
    }),
  )
})
