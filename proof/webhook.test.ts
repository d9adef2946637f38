/**
 * Holds the arithmetic of webhook signatures to published vectors. In: RFC 2202 and 4231 (HMAC), RFC 8032 section 7.1
 * (Ed25519), FIPS 180 (SHA-256). Out: nothing. Refuses a signature with any bit changed, of another algorithm or length.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  ed25519Key,
  type MacAlgorithm,
  macKey,
  signedBy,
  signedDigest,
  tokenKey,
  type VerifyingKey,
} from './webhook.ts'

interface MacVector {
  readonly key: string
  readonly data: string
  readonly macs: Readonly<Partial<Record<MacAlgorithm, string>>>
}

const MACS: readonly MacVector[] = [
  {
    key: '0b'.repeat(20),
    data: hex('Hi There'),
    macs: {
      'hmac-sha1': 'b617318655057264e28bc0b6fb378c8ef146be00',
      'hmac-sha256': 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
      'hmac-sha384':
        'afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6',
      'hmac-sha512':
        '87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854',
    },
  },
  {
    key: hex('Jefe'),
    data: hex('what do ya want for nothing?'),
    macs: {
      'hmac-sha1': 'effcdf6ae5eb2fa2d27416d5f184df9c259a7c79',
      'hmac-sha256': '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
      'hmac-sha384':
        'af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649',
      'hmac-sha512':
        '164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737',
    },
  },
  {
    key: 'aa'.repeat(20),
    data: 'dd'.repeat(50),
    macs: { 'hmac-sha256': '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe' },
  },
  {
    key: 'aa'.repeat(131),
    data: hex('Test Using Larger Than Block-Size Key - Hash Key First'),
    macs: { 'hmac-sha256': '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54' },
  },
]

test('RFC 4231 and RFC 2202: HMACs', () => {
  let checked = 0
  for (const { key, data, macs } of MACS) {
    for (const [algorithm, expected] of Object.entries(macs) as [MacAlgorithm, string][]) {
      const made = macKey(algorithm, Buffer.from(key, 'hex'))
      assert.equal(verdict(made, data, expected), true, `${algorithm} ${expected}`)
      assert.equal(everyBitRefused(made, data, expected), true)
      checked++
    }
  }
  assert.equal(checked, 10)
})

/** RFC 8032 section 7.1: public key, message, signature. */
const ED25519: readonly (readonly [string, string, string])[] = [
  [
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  ],
  [
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  ],
  [
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    'af82',
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  ],
]

test('RFC 8032: Ed25519', () => {
  for (const [publicKey, data, signature] of ED25519) {
    const key = ed25519Key(Buffer.from(publicKey, 'hex'))
    assert.equal(verdict(key, data, signature), true)
    assert.equal(everyBitRefused(key, data, signature), true)
    assert.equal(verdict(key, `${data}00`, signature), false)
  }
})

/** The order of the group, little endian: s + L verifies where only the equation is asked (RFC 8032 section 5.1.7). */
const L = 2n ** 252n + 27742317777372353535851937790883648493n

test('an Ed25519 signature has one spelling: s at or above the group order is refused', () => {
  for (const [publicKey, data, signature] of ED25519) {
    const s = BigInt(`0x${Buffer.from(signature.slice(64), 'hex').reverse().toString('hex')}`)
    const other = Buffer.from((s + L).toString(16).padStart(64, '0'), 'hex').reverse()
    assert.equal(
      verdict(
        ed25519Key(Buffer.from(publicKey, 'hex')),
        data,
        signature.slice(0, 64) + other.toString('hex'),
      ),
      false,
    )
  }
})

test('an Ed25519 key of another length or off the curve makes no key that verifies', () => {
  for (const length of [0, 31, 33, 64]) assert.throws(() => ed25519Key(Buffer.alloc(length)), RangeError)
  const [, data, signature] = ED25519[1] ?? ['', '', '']
  assert.equal(
    passes(() => verdict(ed25519Key(Buffer.alloc(32, 0xff)), data, signature)),
    false,
  )
})

test('a signature of another length is refused without throwing', () => {
  const keys = [
    macKey('hmac-sha256', Buffer.from('k')),
    ed25519Key(Buffer.from(ED25519[0]?.[0] ?? '', 'hex')),
  ]
  for (const key of keys) {
    for (const length of [0, 1, 31, 32, 33, 63, 65, 1_000])
      assert.equal(verdict(key, '', '00'.repeat(length)), false, `${key.algorithm} ${length}`)
  }
})

test('a claim of another algorithm is refused, even where the bytes would match', () => {
  const [vector] = MACS
  assert.ok(vector)
  const key = macKey('hmac-sha256', Buffer.from(vector.key, 'hex'))
  const value = Buffer.from(vector.macs['hmac-sha256'] ?? '', 'hex')
  const parts = [Buffer.from(vector.data, 'hex')]
  for (const algorithm of ['hmac-sha1', 'hmac-sha384', 'hmac-sha512', 'ed25519', 'token'] as const)
    assert.equal(signedBy(key, parts, { algorithm, value }), false)
})

test('a token is the same text or it is refused, at any length', () => {
  const key = tokenKey('a token nobody would use')
  const claimed = (text: string) => signedBy(key, [], { algorithm: 'token', value: Buffer.from(text) })
  assert.equal(claimed('a token nobody would use'), true)
  for (const text of [
    '',
    'a',
    'a token nobody would us',
    'a token nobody would use ',
    'A token nobody would use',
  ])
    assert.equal(claimed(text), false, text)
  // What is kept is a digest; the digest itself is no token.
  const digest = signedDigest(['a token nobody would use'])
  assert.equal(signedBy(key, [], { algorithm: 'token', value: digest }), false)
})

test('parts are signed one after another, text as UTF-8', () => {
  const text = fc.string({ unit: 'grapheme' })
  fc.assert(
    fc.property(text, text, fc.uint8Array(), (a, b, c) => {
      const whole = Buffer.concat([Buffer.from(a), Buffer.from(b), c])
      assert.deepEqual(signedDigest([a, b, c]), signedDigest([whole]))
    }),
  )
  // FIPS 180-4, the one-block example.
  assert.equal(
    signedDigest(['a', 'bc']).toString('hex'),
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  )
})

function verdict(key: VerifyingKey, data: string, signature: string): boolean {
  const bytes = Buffer.from(data, 'hex')
  const claimed = { algorithm: key.algorithm, value: Buffer.from(signature, 'hex') }
  const whole = signedBy(key, [bytes], claimed)
  const cut = signedBy(key, [bytes.subarray(0, 1), bytes.subarray(1)], claimed)
  assert.equal(whole, cut, 'how the input is cut into parts makes no difference')
  return whole
}

function everyBitRefused(key: VerifyingKey, data: string, signature: string): boolean {
  const bits = [...Array(signature.length * 4).keys()]
  return bits.every((bit) => {
    const changed = Buffer.from(signature, 'hex')
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    return !verdict(key, data, changed.toString('hex'))
  })
}

function passes(work: () => boolean): boolean {
  try {
    return work()
  } catch {
    return false
  }
}

function hex(text: string): string {
  return Buffer.from(text).toString('hex')
}
