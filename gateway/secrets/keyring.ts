/**
 * The tenants' data keys, unwrapped when used. In: bytes to seal for a place, or a sealed blob. Out: the other. Refuses
 * to open a blob whose key is unknown, destroyed or of another tenant, from another place, or changed: `NotOpened`,
 * with the reason and no bytes. The tenant '' is the platform itself.
 */
import { createSecretKey, hkdfSync, type KeyObject, randomFillSync, randomUUID } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { equal } from '@gatehouse/proof/bytes.ts'
import { type DataKey, type Place, seal, sealedKeyId, unseal } from '@gatehouse/proof/sealed.ts'
import { StartRefused } from '../start-refused.ts'
import type { Store, Tx } from '../store/store.ts'
import type { Root } from './roots/file.ts'

/** Unwrapped keys kept in memory; beyond it the least used is unwrapped again when needed. */
const CACHE_SIZE = 1_024
/** An unwrapped key is asked for again after this, so a key that was destroyed elsewhere stops working. */
const CACHE_MS = 300_000
const SALT_BYTES = 32
/** Salts are drawn many at a time: one system call serves 256 records. */
const SALT_POOL_BYTES = SALT_BYTES * 256

type TenantPlace = Omit<Place, 'tenant'>

export interface Keyring {
  seal(tenant: string, place: TenantPlace, bytes: Uint8Array): Promise<Buffer>
  unseal(tenant: string, place: TenantPlace, blob: Uint8Array): Promise<Buffer>
  /** Makes a tenant's first data key, in the transaction that makes the tenant. */
  create(tx: Tx, tenant: string): Promise<void>
  /** Whether the root key still opens the platform's data key; throws when it does not. */
  check(): Promise<void>
}

export class NotOpened extends Error {
  override readonly name = 'NotOpened'
}

/** Opens the ring; on a new database it makes the platform's own key. */
export async function openKeyring(store: Store, root: Root, clock: () => number): Promise<Keyring> {
  const ring = new RootedKeyring(store, root, clock)
  await store.write(async (tx) => {
    const rows = await tx.db.selectFrom('data_key').select('id').where('tenant_id', '=', '').execute()
    if (rows.length > 0) return
    // Two gateways may open a new database at once; only one platform key may come of it.
    await tx.db.updateTable('audit_head').set({ id: 1 }).where('id', '=', 1).execute()
    const again = await tx.db.selectFrom('data_key').select('id').where('tenant_id', '=', '').execute()
    if (again.length === 0) await ring.create(tx, '')
  })
  await ring.check()
  return ring
}

interface KeyRow {
  readonly id: string
  readonly tenant_id: string
  readonly wrapped: Buffer
  readonly check_value: Buffer
}

class RootedKeyring implements Keyring {
  readonly #store: Store
  readonly #root: Root
  readonly #clock: () => number
  /** By `t:<tenant>` the key to seal with, by `k:<id>` a key to open with; promises, so one unwrap serves all who wait. */
  readonly #keys = new LRUCache<string, Promise<DataKey>>({ max: CACHE_SIZE, ttl: CACHE_MS })
  readonly #salts = Buffer.allocUnsafe(SALT_POOL_BYTES)
  #saltsUsed = SALT_POOL_BYTES

  constructor(store: Store, root: Root, clock: () => number) {
    this.#store = store
    this.#root = root
    this.#clock = clock
  }

  async seal(tenant: string, place: TenantPlace, bytes: Uint8Array): Promise<Buffer> {
    const key = await this.#kept(`t:${tenant}`, () => this.#activeKey(tenant))
    return seal(key, { ...place, tenant }, bytes, this.#salt())
  }

  async unseal(tenant: string, place: TenantPlace, blob: Uint8Array): Promise<Buffer> {
    const keyId = sealedKeyId(blob)
    if (keyId === undefined) throw new NotOpened(`open a sealed ${place.table}: it is not sealed`)
    const id = uuidOf(keyId)
    const key = await this.#kept(`k:${tenant}:${id}`, () => this.#keyById(tenant, id))
    const opened = unseal(key, { ...place, tenant }, blob)
    if (!opened.ok) throw new NotOpened(`open a sealed ${place.table}: ${opened.reason}`)
    return opened.bytes
  }

  async create(tx: Tx, tenant: string): Promise<void> {
    const id = randomUUID()
    const bytes = randomFillSync(Buffer.alloc(32))
    const key = createSecretKey(bytes)
    await tx.db
      .insertInto('data_key')
      .values({
        id,
        tenant_id: tenant,
        wrapped: await this.#root.wrap(wrappedPlace(tenant, id), bytes, this.#salt()),
        check_value: checkValue(key),
        root: this.#root.name,
        state: 'active',
        created_at: this.#clock(),
      })
      .execute()
    bytes.fill(0)
  }

  async check(): Promise<void> {
    try {
      await this.#activeKey('')
    } catch (error) {
      if (!(error instanceof NotOpened)) throw error
      throw new StartRefused(
        'wrong-root-key',
        `open the sealed store: the root key does not open it (${error.message}); ` +
          'put back the root key that this database was made with',
      )
    }
  }

  /** A promise that fails is forgotten, so the next use asks again. */
  #kept(name: string, load: () => Promise<DataKey>): Promise<DataKey> {
    const known = this.#keys.get(name)
    if (known !== undefined) return known
    const loading = load()
    this.#keys.set(name, loading)
    loading.catch(() => this.#keys.delete(name))
    return loading
  }

  async #activeKey(tenant: string): Promise<DataKey> {
    const query = this.#store.read.selectFrom('data_key').selectAll()
    const row = await query.where('tenant_id', '=', tenant).where('state', '=', 'active').executeTakeFirst()
    return await this.#unwrapped(row)
  }

  async #keyById(tenant: string, id: string): Promise<DataKey> {
    const query = this.#store.read.selectFrom('data_key').selectAll()
    return await this.#unwrapped(
      await query.where('id', '=', id).where('tenant_id', '=', tenant).executeTakeFirst(),
    )
  }

  async #unwrapped(row: KeyRow | undefined): Promise<DataKey> {
    if (row === undefined) throw new NotOpened('unwrap a data key: there is no such key')
    const bytes = await this.#root.unwrap(wrappedPlace(row.tenant_id, row.id), row.wrapped)
    if (bytes === undefined) throw new NotOpened('unwrap a data key: the root key did not wrap it')
    const key = createSecretKey(bytes)
    bytes.fill(0)
    if (!equal(checkValue(key), row.check_value))
      throw new NotOpened('unwrap a data key: its check value differs')
    return { id: bytesOf(row.id), key }
  }

  #salt(): Buffer {
    if (this.#saltsUsed + SALT_BYTES > SALT_POOL_BYTES) {
      randomFillSync(this.#salts)
      this.#saltsUsed = 0
    }
    this.#saltsUsed += SALT_BYTES
    return this.#salts.subarray(this.#saltsUsed - SALT_BYTES, this.#saltsUsed)
  }
}

export function wrappedPlace(tenant: string, id: string): Place {
  return { tenant, table: 'data_key', column: 'wrapped', row: id, schema: 1 }
}

/** Tells one key from another without telling anything of the key. */
function checkValue(key: KeyObject): Buffer {
  return Buffer.from(hkdfSync('sha512', key, Buffer.alloc(0), 'gw/check/v1', 32))
}

function bytesOf(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex')
}

function uuidOf(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
