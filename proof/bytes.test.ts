/**
 * Holds the encodings and the comparison to their promises. In: random bytes and texts. Out: nothing. Refuses an encoding
 * that lets a second spelling in, and a list of parts that reads like another.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { equal, fromBase64, fromBase64Url, fromHex, lengthPrefixed } from './bytes.ts'

const bytes = fc.uint8Array({ maxLength: 80 }).map((array) => Buffer.from(array))
const part = fc.oneof(bytes, fc.string({ unit: 'grapheme', maxLength: 20 }))

test('equal() is equality of bytes, whatever the lengths', () => {
  fc.assert(
    fc.property(bytes, bytes, (a, b) => {
      assert.equal(equal(a, b), a.compare(b) === 0)
      assert.equal(equal(a, Buffer.from(a)), true)
    }),
  )
  assert.equal(equal(Buffer.alloc(0), Buffer.alloc(0)), true)
})

test('equal() sees every single bit', () => {
  const a = Buffer.alloc(32, 0xa5)
  for (let bit = 0; bit < 256; bit++) assert.equal(equal(a, flipped(a, bit)), false)
})

test('each encoding gives back what was written, padded or not', () => {
  fc.assert(
    fc.property(bytes, (a) => {
      assert.deepEqual(fromHex(a.toString('hex')), a)
      assert.deepEqual(fromHex(a.toString('hex').toUpperCase()), a)
      assert.deepEqual(fromBase64(a.toString('base64')), a)
      assert.deepEqual(fromBase64(a.toString('base64').replace(/=+$/, '')), a)
      assert.deepEqual(fromBase64Url(a.toString('base64url')), a)
    }),
  )
})

test('no text reads as bytes that are spelled otherwise', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary-ascii', maxLength: 24 }), (text) => {
      const hex = fromHex(text)
      if (hex !== undefined) assert.equal(hex.toString('hex'), text.toLowerCase())
      const base64 = fromBase64(text)
      if (base64 !== undefined) assert.equal(unpadded(base64.toString('base64')), unpadded(text))
      const url = fromBase64Url(text)
      if (url !== undefined) assert.equal(url.toString('base64url'), unpadded(text))
    }),
    { numRuns: 2_000 },
  )
})

test('what is not whole and strict is refused', () => {
  for (const text of ['0', 'abc', 'zz', '0x00', ' 00', '00 ', '00\n', 'ä0'])
    assert.equal(fromHex(text), undefined, text)
  // A last character whose unused bits are set is a second spelling of the same bytes.
  for (const text of ['A', 'AAAAA', 'AB==', 'AAB=', 'A A=', 'AA\n==', '-_-_', 'AA===', '=AAA', 'é==='])
    assert.equal(fromBase64(text), undefined, text)
  for (const text of ['A', 'AB', 'AAB', '+/+/', 'A A', 'AA\n'])
    assert.equal(fromBase64Url(text), undefined, text)
})

test('two different lists of parts never give the same bytes', () => {
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), fc.array(part, { maxLength: 6 }), (a, b) => {
      const same = lengthPrefixed(a).equals(lengthPrefixed(b))
      assert.equal(same, isSameList(a, b))
    }),
  )
  assert.notDeepEqual(lengthPrefixed(['ab', 'c']), lengthPrefixed(['a', 'bc']))
  assert.notDeepEqual(lengthPrefixed(['']), lengthPrefixed([]))
  assert.deepEqual(lengthPrefixed(['a', Buffer.of(0, 255)]).toString('hex'), '00000001610000000200ff')
})

function isSameList(a: readonly (string | Buffer)[], b: readonly (string | Buffer)[]): boolean {
  return a.length === b.length && a.every((one, i) => Buffer.from(one).equals(Buffer.from(b[i] ?? '')))
}

function flipped(from: Buffer, bit: number): Buffer {
  const copy = Buffer.from(from)
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7))
  return copy
}

function unpadded(text: string): string {
  return text.replace(/=+$/, '')
}
