import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signedHeaders } from './sign.ts'

test('signedHeaders() signs as the example of the Standard Webhooks specification does', () => {
  const headers = signedHeaders(
    'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    'msg_p5jXN8AQM9LWM0D4loKWxJek',
    1_614_265_330_999,
    Buffer.from('{"test": 2432232314}'),
  )
  assert.deepEqual(headers, {
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  })
})

test('signedHeaders() refuses what is not a signing secret', () => {
  for (const secret of [
    '',
    'whsec_',
    'whsec_c2hvcnQ=',
    'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    'whsec_!!!',
    `whsec_${'A'.repeat(88)}`,
  ]) {
    assert.equal(signedHeaders(secret, 'id', 0, Buffer.of()), undefined, secret)
  }
})
