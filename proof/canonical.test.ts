/**
 * Holds canonical JSON to the published examples of RFC 8785 and to its own meaning. In: those examples, random values.
 * Out: nothing. Refuses a second spelling of one value and a spelling that two values share.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { canonical, type Json } from './canonical.ts'

test('RFC 8785 section 3.2.2: the sample object', () => {
  const input = JSON.parse(
    '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],' +
      '"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}',
  ) as Json
  assert.equal(
    canonical(input),
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
      '"string":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  )
})

test('RFC 8785 section 3.2.3: names are sorted by UTF-16 code units', () => {
  const input = {
    '\u20ac': 'Euro Sign',
    '\r': 'Carriage Return',
    '\ufb33': 'Hebrew Letter Dalet With Dagesh',
    '1': 'One',
    '\ud83d\ude00': 'Emoji: Grinning Face',
    '\u0080': 'Control',
    '\u00f6': 'Latin Small Letter O With Diaeresis',
  }
  assert.equal(
    canonical(input),
    '{"\\r":"Carriage Return","1":"One","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis",' +
      '"\u20ac":"Euro Sign","\ud83d\ude00":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}',
  )
})

/** RFC 8785 appendix B: bits of an IEEE 754 double, and its text. */
const NUMBERS: readonly (readonly [string, string])[] = [
  ['0000000000000000', '0'],
  ['8000000000000000', '0'],
  ['0000000000000001', '5e-324'],
  ['8000000000000001', '-5e-324'],
  ['7fefffffffffffff', '1.7976931348623157e+308'],
  ['ffefffffffffffff', '-1.7976931348623157e+308'],
  ['4340000000000000', '9007199254740992'],
  ['c340000000000000', '-9007199254740992'],
  ['4430000000000000', '295147905179352830000'],
  ['44b52d02c7e14af5', '9.999999999999997e+22'],
  ['44b52d02c7e14af6', '1e+23'],
  ['44b52d02c7e14af7', '1.0000000000000001e+23'],
  ['444b1ae4d6e2ef4e', '999999999999999700000'],
  ['444b1ae4d6e2ef4f', '999999999999999900000'],
  ['444b1ae4d6e2ef50', '1e+21'],
  ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
  ['3eb0c6f7a0b5ed8d', '0.000001'],
  ['41b3de4355555553', '333333333.3333332'],
  ['41b3de4355555554', '333333333.33333325'],
  ['41b3de4355555555', '333333333.3333333'],
  ['41b3de4355555556', '333333333.3333334'],
  ['41b3de4355555557', '333333333.33333343'],
  ['becbf647612f3696', '-0.0000033333333333333333'],
  ['43143ff3c1cb0959', '1424953923781206.2'],
]

test('RFC 8785 appendix B: numbers', () => {
  for (const [bits, text] of NUMBERS) assert.equal(canonical(double(bits)), text, bits)
  for (const bits of ['7fffffffffffffff', '7ff0000000000000', 'fff0000000000000'])
    assert.throws(() => canonical(double(bits)), TypeError, bits)
})

test('a lone surrogate ends the work, in a value or in a name', () => {
  for (const text of ['\ud800', 'a\udc00', '\ude00\ud83d']) {
    assert.throws(() => canonical(text), TypeError)
    assert.throws(() => canonical({ [text]: 1 }), TypeError)
    assert.throws(() => canonical([{ a: [text] }]), TypeError)
  }
  assert.equal(canonical('\ud83d\ude00'), '"\ud83d\ude00"')
})

test('what JSON cannot say is refused, not left out', () => {
  for (const value of [undefined, () => 1, Symbol('a'), 1n]) {
    // A boundary: the type forbids these; the door is held at run time as well.
    const wrong = value as unknown as Json
    assert.throws(() => canonical(wrong), TypeError)
    assert.throws(() => canonical([wrong]), TypeError)
    assert.throws(() => canonical({ a: wrong }), TypeError)
  }
})

test('canonical text means the value, and only one text does', () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), (made) => {
      // A boundary: fast-check's type of JSON is wider than ours only in name.
      const value = made as Json
      const text = canonical(value)
      const read = JSON.parse(text) as Json
      assert.deepEqual(read, JSON.parse(JSON.stringify(value)))
      assert.equal(canonical(read), text)
      assert.equal(canonical(shuffled(value)), text)
    }),
  )
})

test('a name such as __proto__ or toString is a name like others', () => {
  const value = JSON.parse('{"toString":1,"__proto__":{"b":2},"constructor":3}') as Json
  assert.equal(canonical(value), '{"__proto__":{"b":2},"constructor":3,"toString":1}')
})

function double(bits: string): number {
  return Buffer.from(bits, 'hex').readDoubleBE()
}

/** The same value with the members of its objects in another order. */
function shuffled(value: Json): Json {
  if (Array.isArray(value)) return value.map((one: Json) => shuffled(one))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([name, one]: [string, Json]) => [name, shuffled(one)]),
  )
}
