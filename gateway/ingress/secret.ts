/**
 * Makes keys from credentials as people paste them. In: the text of a secret. Out: a key ready to verify with. Refuses
 * a blank secret with `RangeError`: under an empty key anyone can sign. No message holds any of the text.
 */
import { type MacAlgorithm, type VerifyingKey, macKey } from '@gatehouse/proof/webhook.ts'

/** A MAC key whose bytes are the text itself, as most vendors use theirs. */
export function textKey(algorithm: MacAlgorithm, secret: string): VerifyingKey {
  if (secret.trim() === '')
    throw new RangeError('read the signing secret: it is blank, wanted at least one character')
  return macKey(algorithm, Buffer.from(secret, 'utf8'))
}

/** 32 random bytes in a spelling that every vendor's field takes. */
export function randomText(random: Uint8Array): string {
  return Buffer.from(random).toString('base64url')
}
