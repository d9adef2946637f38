/**
 * What the inbox keeps of a delivery, as bytes to seal. In: facts, content type and the raw body. Out: one byte string,
 * and all three again. Refuses bytes that it did not pack by throwing.
 *
 *   packed = u32 length of head ‖ head (JSON of facts and content type) ‖ raw body
 */
import type { Facts } from './source.ts'

/** Facts without what only the answer to the vendor needed. */
export type KeptFacts = Omit<Facts, 'handshake' | 'challenge' | 'visit' | 'ack'>

export interface Content {
  readonly facts: KeptFacts
  readonly contentType: string | undefined
  /** Exactly as received. */
  readonly body: Buffer
}

export function pack({ facts, contentType, body }: Content): Buffer {
  const head = JSON.stringify({ facts, contentType })
  const length = Buffer.byteLength(head, 'utf8')
  const packed = Buffer.allocUnsafe(4 + length + body.length)
  packed.writeUInt32BE(length)
  packed.write(head, 4, 'utf8')
  body.copy(packed, 4 + length)
  return packed
}

export function unpack(packed: Buffer): Content {
  const end = 4 + packed.readUInt32BE(0)
  if (end > packed.length) throw new RangeError('unpack a delivery: its head is longer than all of it')
  // Sealed by us under this schema, so the shape is the one `pack` wrote.
  const head = JSON.parse(packed.toString('utf8', 4, end)) as { facts: KeptFacts; contentType?: string }
  return { facts: head.facts, contentType: head.contentType, body: packed.subarray(end) }
}
