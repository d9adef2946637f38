/**
 * The sealed box: committing authenticated encryption of one record, bound to its place. In: a data key, the place
 * (tenant, table, column, row) and the bytes. Out: a blob, or the bytes again. Refuses a blob that is cut, of another
 * format, under another key, from another place or changed, with a reason and no bytes.
 *
 *   blob = "GV" | version 1 | suite 1 | key id 16 | salt 32 | commitment 32 | ciphertext n | tag 16
 *   key ‖ iv ‖ commitment = HKDF-SHA512(data key, salt, "gw/enc/v1" ‖ suite ‖ key id ‖ sha256(aad))
 *   aad = "GV" ‖ version ‖ suite ‖ key id ‖ lp(tenant) ‖ lp(table) ‖ lp(column) ‖ lp(row) ‖ u32 schema [‖ u64 row version]
 *
 * A key derived per record removes the nonce ceiling of AES-GCM; the commitment, compared before decrypting, keeps one
 * ciphertext from opening under two keys. Keys are looked up by id, never tried in turn.
 */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, type KeyObject } from 'node:crypto'
import { equal, lengthPrefixed } from './bytes.ts'

const MAGIC = 'GV'
const VERSION = 1
/** AES-256-GCM with HKDF-SHA512. Suites 2 and 3 are kept for XChaCha20-Poly1305 and AES-GCM-SIV. */
const SUITE = 1
const HEADER = 20
const SALT = 32
const COMMITMENT = 32
const TAG = 16
/** Bytes a sealed blob is longer than what it holds. */
export const OVERHEAD = HEADER + SALT + COMMITMENT + TAG
const DERIVED = 32 + 12 + COMMITMENT

/** Where a sealed value lives; a blob moved to another place does not open. */
export interface Place {
  readonly tenant: string
  readonly table: string
  readonly column: string
  readonly row: string
  /** Shape of the sealed bytes; raise it when that changes. */
  readonly schema: number
  /** For values that must not be rolled back to an earlier one. */
  readonly rowVersion?: bigint
}

/** A data key: 16-byte id and 256 bits of key. */
export interface DataKey {
  readonly id: Uint8Array
  readonly key: KeyObject
}

export type Unsealed =
  | { readonly ok: true; readonly bytes: Buffer }
  | { readonly ok: false; readonly reason: 'not-sealed' | 'other-key' | 'wrong-key-or-place' | 'changed' }

/** Seals `bytes` for `place`. `salt` is 32 fresh random bytes, never used before with this key. */
export function seal(dataKey: DataKey, place: Place, bytes: Uint8Array, salt: Uint8Array): Buffer {
  if (salt.length !== SALT) throw new RangeError(`seal: the salt has ${salt.length} bytes, wanted ${SALT}`)
  const header = head(dataKey.id)
  const aad = Buffer.concat([header, placed(place)])
  const { key, iv, commitment } = derive(dataKey.key, dataKey.id, salt, aad)
  const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: TAG })
  cipher.setAAD(aad)
  const ciphertext = cipher.update(bytes)
  cipher.final()
  return Buffer.concat([header, salt, commitment, ciphertext, cipher.getAuthTag()])
}

/** Opens what `seal` made, when key and place are the same. */
export function unseal(dataKey: DataKey, place: Place, blob: Uint8Array): Unsealed {
  const keyId = sealedKeyId(blob)
  if (keyId === undefined) return { ok: false, reason: 'not-sealed' }
  if (!equal(keyId, dataKey.id)) return { ok: false, reason: 'other-key' }
  const salt = blob.subarray(HEADER, HEADER + SALT)
  const claimed = blob.subarray(HEADER + SALT, HEADER + SALT + COMMITMENT)
  const aad = Buffer.concat([blob.subarray(0, HEADER), placed(place)])
  const { key, iv, commitment } = derive(dataKey.key, dataKey.id, salt, aad)
  if (!equal(commitment, claimed)) return { ok: false, reason: 'wrong-key-or-place' }
  const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: TAG })
  decipher.setAAD(aad)
  decipher.setAuthTag(blob.subarray(blob.length - TAG))
  const bytes = decipher.update(blob.subarray(HEADER + SALT + COMMITMENT, blob.length - TAG))
  try {
    decipher.final()
  } catch {
    return { ok: false, reason: 'changed' }
  }
  return { ok: true, bytes }
}

/** The key id that a blob names, or `undefined` when it is not one of ours. */
export function sealedKeyId(blob: Uint8Array): Uint8Array | undefined {
  if (blob.length < OVERHEAD) return undefined
  const isOurs = blob[0] === 0x47 && blob[1] === 0x56 && blob[2] === VERSION && blob[3] === SUITE
  return isOurs ? blob.subarray(4, HEADER) : undefined
}

function head(keyId: Uint8Array): Buffer {
  if (keyId.length !== 16) throw new RangeError(`seal: the key id has ${keyId.length} bytes, wanted 16`)
  return Buffer.concat([Buffer.from(MAGIC), Buffer.from([VERSION, SUITE]), keyId])
}

function placed(place: Place): Buffer {
  const names = lengthPrefixed([place.tenant, place.table, place.column, place.row])
  const tail = Buffer.alloc(place.rowVersion === undefined ? 4 : 12)
  tail.writeUInt32BE(place.schema)
  if (place.rowVersion !== undefined) tail.writeBigUInt64BE(place.rowVersion, 4)
  return Buffer.concat([names, tail])
}

function derive(key: KeyObject, keyId: Uint8Array, salt: Uint8Array, aad: Uint8Array) {
  const place = createHash('sha256').update(aad).digest()
  const info = Buffer.concat([Buffer.from('gw/enc/v1'), Buffer.from([SUITE]), keyId, place])
  const derived = Buffer.from(hkdfSync('sha512', key, salt, info, DERIVED))
  return { key: derived.subarray(0, 32), iv: derived.subarray(32, 44), commitment: derived.subarray(44) }
}
