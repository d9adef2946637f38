/**
 * Answers a vendor that wants to see that we hold the secret. In: what to sign, and the credential that proved the
 * question. Out: the answer. Refuses, by throwing, to sign with any other key: a credential that does not make MACs, or
 * one that has gone since.
 */
import { isMacKey, mac } from '@gatehouse/proof/webhook.ts'
import type { Answer, SignedAnswer } from './source.ts'
import type { LiveCredential, VerifiedDelivery } from './verify.ts'

export function solved(
  credentials: readonly LiveCredential[],
  delivery: VerifiedDelivery,
  challenge: SignedAnswer,
): Answer {
  const { algorithm, parts, render } = challenge
  const key = credentials.find(({ id }) => id === delivery.credentialId)?.key
  if (key === undefined || !isMacKey(key) || key.algorithm !== algorithm)
    throw new Error('answer a challenge: its key is not a MAC key')
  return render(mac(algorithm, key.key, parts))
}
