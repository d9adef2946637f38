import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFor, splitJws, textOf, timeOf } from './jwt.ts'

/** RFC 7515 appendix A.1. */
const RFC =
  'eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

test('splitJws() takes the token of RFC 7515 apart and leaves the signed text as it came', () => {
  const jws = splitJws(RFC)
  assert.deepEqual(jws?.header, { typ: 'JWT', alg: 'HS256' })
  assert.equal(jws?.payload['iss'], 'joe')
  assert.equal(jws?.signed, RFC.slice(0, RFC.lastIndexOf('.')))
  assert.equal(jws?.signature.length, 32)
})

test('splitJws() refuses what is not one token in one spelling', () => {
  const [head = '', body = '', mark = ''] = RFC.split('.')
  const odd = {
    empty: '',
    'two parts': `${head}.${body}`,
    'four parts': `${RFC}.${mark}`,
    'no signature': `${head}.${body}.`,
    padded: `${head}.${body}.${mark}=`,
    'other spelling of the last bits': `${head}.${body}.${mark.slice(0, -1)}l`,
    'standard alphabet': `${head}.${body}.${mark.replace('-', '+')}`,
    'white space': ` ${RFC}`,
    'header is a list': `${part([])}.${body}.${mark}`,
    'payload is text': `${head}.${part('x')}.${mark}`,
    'payload is not UTF-8': `${head}.${Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url')}.${mark}`,
    critical: `${part({ alg: 'RS256', crit: ['exp'] })}.${body}.${mark}`,
    unencoded: `${part({ alg: 'RS256', b64: false })}.${body}.${mark}`,
    endless: `${head}.${part({ a: 'a'.repeat(8_192) })}.${mark}`,
  }
  for (const [what, token] of Object.entries(odd)) assert.equal(splitJws(token), undefined, what)
})

test('claims are read by their own names and types only', () => {
  const payload = { aud: ['a', 'b'], exp: 12.5, iat: '12', sub: '', nbf: Number.NaN }
  assert.ok(isFor(payload, 'b') && !isFor(payload, 'c') && !isFor({}, 'a') && isFor({ aud: 'a' }, 'a'))
  assert.equal(isFor({ aud: 'ab' }, 'a'), false)
  assert.deepEqual(
    ['exp', 'iat', 'nbf', 'toString'].map((name) => timeOf(payload, name)),
    [12.5, undefined, undefined, undefined],
  )
  assert.equal(textOf(payload, 'sub'), undefined)
  assert.equal(textOf({}, 'constructor'), undefined)
})
