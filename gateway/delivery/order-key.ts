/**
 * Names a conversation without naming it. In: a channel and the vendor's id of the conversation. Out: 128 bits as text,
 * the same on every gate, which nobody without the key can make or tie to an id. Refuses nothing; the key is made once for
 * a database, sealed under the platform's data key.
 */
import { createSecretKey, type KeyObject } from 'node:crypto'
import { mac } from '@gatehouse/proof/webhook.ts'
import type { Store } from '../store/store.ts'
import type { SealedPlace } from './needs.ts'

/** Where the sealed key stands in the table `gate`. */
const KEY_ROW = 'order-key'
const PLACE: SealedPlace = { table: 'gate', column: 'value', row: KEY_ROW, schema: 1 }
const KEY_BYTES = 32
/** Two conversations that met would only wait for each other. */
const NAME_BYTES = 16
/** The platform itself. */
const PLATFORM = ''

export interface OrderKeyNeeds {
  readonly store: Store
  readonly seal: (tenant: string, place: SealedPlace, bytes: Uint8Array) => Promise<Uint8Array>
  readonly unseal: (tenant: string, place: SealedPlace, blob: Uint8Array) => Promise<Uint8Array>
  readonly randomBytes: (size: number) => Uint8Array
}

export class OrderKeys {
  readonly #needs: OrderKeyNeeds
  #key: Promise<KeyObject> | undefined

  constructor(needs: OrderKeyNeeds) {
    this.#needs = needs
  }

  async of(tenant: string, channel: string, conversation: string): Promise<string> {
    this.#key ??= this.#load().catch((error: unknown) => {
      this.#key = undefined
      throw error
    })
    // Ids of ours hold no line break, so no two triples give the same bytes.
    const name = mac('hmac-sha256', await this.#key, [`${tenant}\n${channel}\n`, conversation])
    return name.subarray(0, NAME_BYTES).toString('base64url')
  }

  async #load(): Promise<KeyObject> {
    const { unseal } = this.#needs
    const stored = (await this.#stored()) ?? (await this.#make())
    return createSecretKey(await unseal(PLATFORM, PLACE, Buffer.from(stored, 'base64')))
  }

  async #stored(): Promise<string | undefined> {
    const query = this.#needs.store.read.selectFrom('gate').select('value').where('key', '=', KEY_ROW)
    return (await query.executeTakeFirst())?.value
  }

  /** Two gates may make one at once; the first that is written is everybody's. */
  async #make(): Promise<string> {
    const { store, seal, randomBytes } = this.#needs
    const sealed = Buffer.from(await seal(PLATFORM, PLACE, randomBytes(KEY_BYTES))).toString('base64')
    return await store.write(async ({ db }) => {
      const row = { key: KEY_ROW, value: sealed }
      await db
        .insertInto('gate')
        .values(row)
        .onConflict((conflict) => conflict.doNothing())
        .execute()
      const kept = await db
        .selectFrom('gate')
        .select('value')
        .where('key', '=', KEY_ROW)
        .executeTakeFirstOrThrow()
      return kept.value
    })
  }
}
