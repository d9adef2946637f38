/**
 * Holds the sealed box to its format and to all it refuses. In: fixed and random keys, places and bytes. Out: nothing.
 * Refuses a box that opens after any change, under another key or at another place, and a format that drifts.
 */
import assert from 'node:assert/strict'
import { createSecretKey, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { type DataKey, OVERHEAD, type Place, seal, sealedKeyId, unseal } from './sealed.ts'

const KEY = dataKey(counting(0, 16), counting(16, 32))
const SALT = counting(64, 32)
const PLACE: Place = { tenant: 'ten_a', table: 'inbox', column: 'sealed', row: 'dlv_1', schema: 1 }
const HELLO = Buffer.from('hello')

/** Made once by another implementation (Python's cryptography) from the description in `sealed.ts`. */
const KNOWN =
  '47560101000102030405060708090a0b0c0d0e0f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f' +
  'f8682e8b3042d4e8cd1b27d895ea870d7b35ecbf307576124abb6ebc061e36550aad99525451204280e33f9bb3d931da57b8319f9b'
const KNOWN_VERSION_7 =
  '47560101000102030405060708090a0b0c0d0e0f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f' +
  'c3310220227a11550b2bc5c2b3ed6ccb7999c1e6ed9a1d4061c49aa824da995208a79f434507fba8b1c86e25bc0a6f0580fa9df339'

test('known answers: what was sealed once opens with every later version', () => {
  assert.equal(seal(KEY, PLACE, HELLO, SALT).toString('hex'), KNOWN)
  assert.equal(seal(KEY, { ...PLACE, rowVersion: 7n }, HELLO, SALT).toString('hex'), KNOWN_VERSION_7)
  assert.deepEqual(unseal(KEY, PLACE, Buffer.from(KNOWN, 'hex')), { ok: true, bytes: HELLO })
})

test('a box opens to what went in, and is 100 bytes longer', () => {
  assert.equal(OVERHEAD, 100)
  const name = fc.string({ unit: 'grapheme', maxLength: 12 })
  const places = fc.record({
    tenant: name,
    table: name,
    column: name,
    row: name,
    schema: fc.nat({ max: 0xffff_ffff }),
    rowVersion: fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }),
  })
  fc.assert(
    fc.property(places, fc.uint8Array({ maxLength: 5_000 }), (place, bytes) => {
      const blob = seal(KEY, place, bytes, randomBytes(32))
      assert.equal(blob.length, bytes.length + 100)
      assert.deepEqual(unseal(KEY, place, blob), { ok: true, bytes: Buffer.from(bytes) })
    }),
  )
})

test('any single bit changed anywhere: it does not open', () => {
  const blob = Buffer.from(KNOWN, 'hex')
  for (let bit = 0; bit < blob.length * 8; bit++) {
    const changed = Buffer.from(blob)
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    assert.equal(unseal(KEY, PLACE, changed).ok, false, `bit ${bit}`)
  }
})

test('each part that is changed gives its own reason', () => {
  const changedAt = (at: number) => {
    const blob = Buffer.from(KNOWN, 'hex')
    blob[at] = (blob[at] ?? 0) ^ 1
    const opened = unseal(KEY, PLACE, blob)
    return opened.ok ? 'opened' : opened.reason
  }
  assert.deepEqual([0, 1, 2, 3].map(changedAt), Array(4).fill('not-sealed'))
  assert.equal(changedAt(4), 'other-key')
  assert.equal(changedAt(20), 'wrong-key-or-place')
  assert.equal(changedAt(52), 'wrong-key-or-place')
  assert.equal(changedAt(84), 'changed')
  assert.equal(changedAt(104), 'changed')
})

test('a box of another place does not open here', () => {
  const blob = seal(KEY, PLACE, HELLO, SALT)
  const others: readonly Place[] = [
    { ...PLACE, tenant: 'ten_b' },
    { ...PLACE, table: 'credential' },
    { ...PLACE, column: 'other' },
    { ...PLACE, row: 'dlv_2' },
    { ...PLACE, schema: 2 },
    { ...PLACE, rowVersion: 0n },
    { ...PLACE, rowVersion: 1n },
    // Names that only run into each other otherwise.
    { ...PLACE, tenant: 'ten_', table: 'ainbox' },
    { ...PLACE, column: 'seale', row: 'ddlv_1' },
  ]
  for (const place of others)
    assert.deepEqual(unseal(KEY, place, blob), { ok: false, reason: 'wrong-key-or-place' })
  const second = seal(KEY, { ...PLACE, rowVersion: 2n }, HELLO, SALT)
  assert.equal(unseal(KEY, { ...PLACE, rowVersion: 1n }, second).ok, false)
  assert.equal(unseal(KEY, PLACE, second).ok, false)
})

test('another key does not open it, under its own id or under the same', () => {
  const blob = seal(KEY, PLACE, HELLO, SALT)
  const other = counting(100, 32)
  assert.deepEqual(unseal(dataKey(counting(1, 16), other), PLACE, blob), { ok: false, reason: 'other-key' })
  assert.deepEqual(unseal(dataKey(counting(0, 16), other), PLACE, blob), {
    ok: false,
    reason: 'wrong-key-or-place',
  })
})

test('a box that is cut, lengthened or no box at all does not open', () => {
  const blob = Buffer.from(KNOWN, 'hex')
  for (let length = 0; length < blob.length; length++)
    assert.equal(unseal(KEY, PLACE, blob.subarray(0, length)).ok, false, `${length} bytes`)
  assert.equal(unseal(KEY, PLACE, Buffer.concat([blob, Buffer.of(0)])).ok, false)
  assert.equal(unseal(KEY, PLACE, Buffer.concat([blob.subarray(0, 84), blob.subarray(89)])).ok, false)
  assert.deepEqual(unseal(KEY, PLACE, Buffer.from('plain text, long enough to be a box'.repeat(4))), {
    ok: false,
    reason: 'not-sealed',
  })
  assert.equal(sealedKeyId(Buffer.alloc(0)), undefined)
  assert.deepEqual(sealedKeyId(blob), counting(0, 16))
})

test('two boxes of one value share nothing but their header', () => {
  const [a, b] = [seal(KEY, PLACE, HELLO, randomBytes(32)), seal(KEY, PLACE, HELLO, randomBytes(32))]
  assert.deepEqual(a.subarray(0, 20), b.subarray(0, 20))
  for (const [from, to] of [
    [20, 52],
    [52, 84],
    [84, 89],
    [89, 105],
  ] as const)
    assert.notDeepEqual(a.subarray(from, to), b.subarray(from, to))
})

test('a salt or a key id of another length is refused', () => {
  for (const length of [0, 31, 33])
    assert.throws(() => seal(KEY, PLACE, HELLO, Buffer.alloc(length)), RangeError)
  assert.throws(() => seal(dataKey(counting(0, 15), SALT), PLACE, HELLO, SALT), RangeError)
})

function dataKey(id: Buffer, bytes: Buffer): DataKey {
  return { id, key: createSecretKey(bytes) }
}

function counting(from: number, length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => from + i))
}
