/**
 * The names under which a delivery is remembered. In: a channel, the digest of what was signed, and the vendor's delivery
 * id where there is one. Out: one or two 16-byte keys. Refuses nothing: a missing id leaves the digest, which no header
 * can change.
 */
import { createHash } from 'node:crypto'

/** 128 bits: senders who could make keys meet could only lose deliveries of their own. */
const KEY_BYTES = 16

export function replayKeys(channel: string, digest: Uint8Array, deliveryId: string | undefined): Buffer[] {
  const bySigned = named('signed', channel, digest)
  return deliveryId === undefined
    ? [bySigned]
    : [bySigned, named('id', channel, Buffer.from(deliveryId, 'utf8'))]
}

function named(kind: string, channel: string, value: Uint8Array): Buffer {
  // Neither a kind nor a channel id holds a line break, so no two triples give the same bytes.
  const hash = createHash('sha256').update(`${kind}\n${channel}\n`).update(value)
  return hash.digest().subarray(0, KEY_BYTES)
}
