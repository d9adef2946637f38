/**
 * The root key that lies in a file of the data folder. In: its 32 bytes. Out: a root that wraps and unwraps the data
 * keys. Refuses to unwrap what another root wrapped. Other roots (Vault, PKCS#11) stand beside it with the same two
 * verbs.
 */
import { createHash, createSecretKey, type KeyObject } from 'node:crypto'
import { type DataKey, type Place, seal, unseal } from '@gatehouse/proof/sealed.ts'

/** What holds the keys of all keys. Asynchronous, because other roots are across a network. */
export interface Root {
  /** Stands in the key table beside each key it wrapped. */
  readonly name: string
  wrap(place: Place, key: Uint8Array, salt: Uint8Array): Promise<Buffer>
  /** The key's bytes, or undefined when this root did not wrap them or they were changed. */
  unwrap(place: Place, wrapped: Uint8Array): Promise<Buffer | undefined>
}

/** A root from a key file's bytes. */
export function fileRoot(key: KeyObject): Root {
  const root: DataKey = { id: rootId(key), key }
  return {
    name: 'file',
    wrap: async (place, bytes, salt) => seal(root, place, bytes, salt),
    unwrap: async (place, wrapped) => {
      const opened = unseal(root, place, wrapped)
      return opened.ok ? opened.bytes : undefined
    },
  }
}

/** Names the root key without telling it; a domain label keeps the hash from meaning anything else. */
function rootId(key: KeyObject): Buffer {
  return createHash('sha256').update('gatehouse root key id v1').update(key.export()).digest().subarray(0, 16)
}

/** A root key from raw bytes. */
export function rootKeyOf(bytes: Uint8Array): KeyObject {
  return createSecretKey(bytes)
}
