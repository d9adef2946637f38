import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { idAt, member, textAt } from './member.ts'
import { json, parse } from './parse.ts'

const bytes = (text: string) => Buffer.from(text, 'utf8')

test('parse() never throws, whatever the bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (body) => {
      for (const bodies of [['json'], ['json', 'form'], ['json', 'text']] as const)
        parse(Buffer.from(body), bodies)
    }),
  )
})

test('json() gives back what JSON.stringify wrote', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 8 }), (value) => {
      const parsed = json(bytes(JSON.stringify(value)))
      assert.deepEqual(parsed, { type: 'json', value: JSON.parse(JSON.stringify(value)) })
    }),
  )
})

test('json() takes 64 levels and 200,000 members, not one more', () => {
  assert.ok('value' in json(bytes('['.repeat(64) + ']'.repeat(64))))
  assert.deepEqual(json(bytes('['.repeat(65) + ']'.repeat(65))), { malformed: 'json-too-deep' })
  assert.ok('value' in json(bytes(`[${'1,'.repeat(199_998)}1]`)))
  assert.deepEqual(json(bytes(`[${'1,'.repeat(200_000)}1]`)), { malformed: 'json-too-large' })
})

test('json() counts nothing inside strings, escaped quotes included', () => {
  const text = JSON.stringify({ a: `\\"${'['.repeat(100)}\\\\` })
  assert.ok('value' in json(bytes(text)))
})

test('json() refuses an endless opening before it parses', () => {
  assert.deepEqual(json(Buffer.alloc(1_048_576, '[')), { malformed: 'json-too-deep' })
})

test('json() refuses bytes that are not UTF-8, and a byte order mark', () => {
  assert.deepEqual(json(Buffer.from([0x22, 0xff, 0x22])), { malformed: 'not-utf-8' })
  assert.deepEqual(json(bytes('\ufeff{}')), { malformed: 'not-json' })
})

test('names of prototypes are names like any other, and nothing inherited is seen', () => {
  const parsed = json(bytes('{"__proto__":{"team_id":"T1"},"constructor":"c"}'))
  assert.ok('value' in parsed)
  assert.equal(textAt(parsed.value, '__proto__', 'team_id'), 'T1')
  assert.equal(textAt(parsed.value, 'team_id'), undefined)
  assert.equal(member(parsed.value, 'toString'), undefined)
  assert.equal(textAt(parsed.value, 'constructor'), 'c')
  assert.equal(Object.hasOwn(Object.prototype, 'team_id'), false)
})

test('a form field named __proto__ is a field', () => {
  const parsed = parse(bytes('__proto__=x&team_id=T1'), ['json', 'form'])
  assert.ok(!('malformed' in parsed) && parsed.type === 'form')
  assert.equal(Object.getPrototypeOf(parsed.value), null)
  assert.equal(textAt(parsed.value, '__proto__'), 'x')
})

test('a form is decoded strictly, once, and doubled fields are refused', () => {
  const parsed = parse(bytes('text=a%2Bb+c&empty=&bare&&x=%C5%BE'), ['json', 'form'])
  assert.ok(!('malformed' in parsed) && parsed.type === 'form')
  assert.deepEqual({ ...parsed.value }, { text: 'a+b c', empty: '', bare: '', x: 'ž' })
  assert.deepEqual(parse(bytes('a=1&a=2'), ['json', 'form']), { malformed: 'form-doubled-field' })
  assert.deepEqual(parse(bytes('a=%FF'), ['json', 'form']), { malformed: 'form-escape' })
  assert.deepEqual(parse(bytes('a&'.repeat(1_001)), ['json', 'form']), { malformed: 'form-too-large' })
})

test('the bytes decide what a body is; text is taken unread where it may come', () => {
  assert.equal(type(parse(bytes(' \n{"a":1}'), ['json', 'form'])), 'json')
  assert.equal(type(parse(bytes('{broken'), ['json', 'text'])), 'other')
  assert.equal(type(parse(bytes('plain'), ['json', 'text'])), 'other')
  assert.deepEqual(parse(bytes('plain'), ['json']), { malformed: 'not-json' })
  assert.deepEqual(parse(bytes(''), ['json']), { malformed: 'not-json' })
})

test('idAt() reads text and whole numbers that JSON carried without loss', () => {
  const parsed = json(bytes('{"a":42,"b":9007199254740993,"c":1.5,"d":"","e":"x"}'))
  assert.ok('value' in parsed)
  assert.deepEqual(
    ['a', 'b', 'c', 'd', 'e'].map((name) => idAt(parsed.value, name)),
    ['42', undefined, undefined, undefined, 'x'],
  )
})

function type(parsed: ReturnType<typeof parse>): string {
  return 'malformed' in parsed ? parsed.malformed : parsed.type
}
