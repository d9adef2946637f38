import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf, LiveToken, type TokenRow } from './verify.ts'

const TEXT = `gh_${'A'.repeat(43)}`
const NOW = 1_000_000

function row(over: Partial<TokenRow> = {}): TokenRow {
  const hash = digestOf(TEXT) ?? Buffer.alloc(0)
  const bound = { tenant_id: 'ten_1', subscription_id: null, name: 'n', scopes: '["channel:read"]' }
  return { id: 'tok_1', hash, ...bound, expires_at: null, revoked_at: null, ...over }
}

test('a live token says whose it is and what it may', () => {
  const token = LiveToken.verify(TEXT, row(), NOW)
  assert.ok(token instanceof LiveToken)
  assert.deepEqual(
    [token.id, token.tenant, token.may('channel:read'), token.may('channel:write')],
    ['tok_1', 'ten_1', true, false],
  )
})

test('every way not to be live has its name', () => {
  const verdicts = {
    malformed: LiveToken.verify('gh_short', row(), NOW),
    unknown: LiveToken.verify(TEXT, undefined, NOW),
    revoked: LiveToken.verify(TEXT, row({ revoked_at: NOW + 1 }), NOW),
    expired: LiveToken.verify(TEXT, row({ expires_at: NOW }), NOW),
  }
  for (const [name, verdict] of Object.entries(verdicts)) assert.deepEqual(verdict, { denied: name })
  assert.deepEqual(LiveToken.verify(TEXT, row({ hash: Buffer.alloc(32) }), NOW), { denied: 'unknown' })
  assert.deepEqual(LiveToken.verify(TEXT, row({ expires_at: Number.NaN }), NOW), { denied: 'expired' })
  assert.deepEqual(LiveToken.verify(TEXT, row({ expires_at: NOW + 1 }), Number.NaN), { denied: 'expired' })
})

test('only the verifier makes live tokens', () => {
  const lookalike = { ...row(), may: () => true }
  // @ts-expect-error: the constructor is private
  assert.ok(() => new LiveToken(row()))
  // @ts-expect-error: a look-alike is no live token
  const token: LiveToken = lookalike
  assert.ok(!(token instanceof LiveToken))
})
