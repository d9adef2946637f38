/**
 * The hash chain under the audit log: each entry's hash covers the one before, so a change, a cut or a swap shows.
 * In: the hash before and an entry's canonical text. Out: the entry's hash. Refuses nothing; a reader compares.
 * What it does not cover: a whole chain written anew by whoever holds the database. The signed log does.
 */
import { createHash } from 'node:crypto'

/** The hash that stands before the first entry. */
export const GENESIS: Buffer = Buffer.alloc(32)

/** SHA-256(0x02 ‖ previous ‖ entry). 0x00 and 0x01 are the leaf and node prefixes of RFC 6962. */
export function chained(previous: Uint8Array, entry: string): Buffer {
  return createHash('sha256').update(Buffer.of(2)).update(previous).update(entry, 'utf8').digest()
}
