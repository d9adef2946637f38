/**
 * The keyring on both engines: one platform key however many gates open a new database, tenants apart, and nothing opens
 * that was moved, changed or sealed under a key that is gone. In: root keys and blobs. Out: nothing. Refuses bytes for a
 * wrong question.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { eachEngine } from '../../test/support/engines.ts'
import { StartRefused } from '../start-refused.ts'
import { sqlBeside, withStore, withTwoStores } from '../store/opened.fixture.ts'
import type { Store } from '../store/store.ts'
import { type Keyring, NotOpened, openKeyring } from './keyring.ts'
import { fileRoot, rootKeyOf, type Root } from './roots/file.ts'

const PLACE = { table: 'credential', column: 'sealed', row: 'crd_1', schema: 1 }
const SECRET = Buffer.from('whsec_a secret of a tenant')

eachEngine('gates that open a new database at once make one platform key between them', async (engine) => {
  await withTwoStores(engine, async (one, two) => {
    const root = newRoot()
    const rings = await Promise.all([one, two, one, two, one, two].map((store) => ring(store, root)))
    assert.equal((await keysOf(one, '')).length, 1)
    const blob = await rings[0]?.seal('', PLACE, SECRET)
    assert.ok(blob)
    for (const other of rings) assert.deepEqual(await other.unseal('', PLACE, blob), SECRET)
  })
})

eachEngine('a wrong root key refuses the start, and changes nothing', async (engine) => {
  await withStore(engine, async (store) => {
    const root = newRoot()
    const blob = await (await ring(store, root)).seal('', PLACE, SECRET)
    const before = await keysOf(store, '')
    await assert.rejects(ring(store, newRoot()), (error) => {
      assert.ok(error instanceof StartRefused)
      assert.equal(error.code, 'wrong-root-key')
      assert.match(error.message, /put back the root key/)
      return true
    })
    assert.deepEqual(await keysOf(store, ''), before)
    assert.deepEqual(await (await ring(store, root)).unseal('', PLACE, blob), SECRET)
  })
})

eachEngine('tenants are apart: one does not open what another sealed', async (engine) => {
  await withStore(engine, async (store) => {
    const keyring = await withTenants(store, newRoot())
    const blob = await keyring.seal('ten_a', PLACE, SECRET)
    assert.deepEqual(await keyring.unseal('ten_a', PLACE, blob), SECRET)
    await notOpened(keyring.unseal('ten_b', PLACE, blob))
    await notOpened(keyring.unseal('', PLACE, blob))
    await notOpened(keyring.unseal('ten_none', PLACE, blob))
    await notOpened(keyring.seal('ten_none', PLACE, SECRET))
    // Also once the key is in memory for the one who may.
    await notOpened(keyring.unseal('ten_b', PLACE, blob))
  })
})

eachEngine('what was moved, changed or never sealed does not open', async (engine) => {
  await withStore(engine, async (store) => {
    const keyring = await withTenants(store, newRoot())
    const blob = await keyring.seal('ten_a', PLACE, SECRET)
    for (const other of [
      { row: 'crd_2' },
      { table: 'inbox' },
      { column: 'other' },
      { schema: 2 },
      { rowVersion: 1n },
    ])
      await notOpened(keyring.unseal('ten_a', { ...PLACE, ...other }, blob))
    for (const at of [0, 3, 4, 20, 60, 84, blob.length - 1])
      await notOpened(keyring.unseal('ten_a', PLACE, Buffer.from(blob).fill((blob[at] ?? 0) ^ 1, at, at + 1)))
    await notOpened(keyring.unseal('ten_a', PLACE, blob.subarray(0, -1)))
    await notOpened(keyring.unseal('ten_a', PLACE, SECRET))
    await notOpened(keyring.unseal('ten_a', PLACE, Buffer.alloc(0)))
  })
})

eachEngine('a data key that was tampered with is not used', async (engine) => {
  await withStore(engine, async (store) => {
    const root = newRoot()
    const blob = await (await withTenants(store, root)).seal('ten_a', PLACE, SECRET)
    const [a] = await keysOf(store, 'ten_a')
    const [b] = await keysOf(store, 'ten_b')
    assert.ok(a && b)
    const changes = [
      { wrapped: flipped(a.wrapped) },
      { check_value: flipped(a.check_value) },
      // Another tenant's key in this one's place.
      { wrapped: b.wrapped, check_value: b.check_value },
      { tenant_id: 'ten_c' },
    ]
    for (const change of changes) {
      await store.write(
        async ({ db }) =>
          void (await db.updateTable('data_key').set(change).where('id', '=', a.id).execute()),
      )
      const fresh = await ring(store, root)
      await notOpened(fresh.unseal('ten_a', PLACE, blob))
      await notOpened(fresh.seal('ten_a', PLACE, SECRET))
      await store.write(
        async ({ db }) => void (await db.updateTable('data_key').set(a).where('id', '=', a.id).execute()),
      )
    }
    assert.deepEqual(await (await ring(store, root)).unseal('ten_a', PLACE, blob), SECRET)
  })
})

eachEngine('an unwrapped key is kept for a while, a failed look is not', async (engine) => {
  await withStore(engine, async (store) => {
    let unwraps = 0
    const root = newRoot()
    const counted: Root = { ...root, unwrap: (place, wrapped) => (unwraps++, root.unwrap(place, wrapped)) }
    const keyring = await ring(store, counted)
    await notOpened(keyring.seal('ten_a', PLACE, SECRET))
    await store.write((tx) => keyring.create(tx, 'ten_a'))
    const blob = await keyring.seal('ten_a', PLACE, SECRET)
    unwraps = 0
    await Promise.all(Array.from({ length: 50 }, () => keyring.unseal('ten_a', PLACE, blob)))
    assert.equal(unwraps, 1)
    await sqlBeside(engine, "DELETE FROM data_key WHERE tenant_id = 'ten_a'")
    assert.deepEqual(await keyring.unseal('ten_a', PLACE, blob), SECRET)
    await notOpened((await ring(store, root)).unseal('ten_a', PLACE, blob))
  })
})

eachEngine('one tenant has one active key', async (engine) => {
  await withStore(engine, async (store) => {
    const keyring = await withTenants(store, newRoot())
    await assert.rejects(store.write((tx) => keyring.create(tx, 'ten_a')))
    assert.equal((await keysOf(store, 'ten_a')).length, 1)
    await assert.rejects(
      store.write(async (tx) => {
        await keyring.create(tx, 'ten_c')
        throw new Error('the tenant was not made')
      }),
    )
    assert.deepEqual(await keysOf(store, 'ten_c'), [])
  })
})

eachEngine('no two seals share a salt, across the pool that salts are drawn from', async (engine) => {
  await withStore(engine, async (store) => {
    const keyring = await withTenants(store, newRoot())
    const blobs = await Promise.all(
      Array.from({ length: 1_000 }, (_, i) => keyring.seal(i % 2 === 0 ? 'ten_a' : 'ten_b', PLACE, SECRET)),
    )
    const salts = blobs.map((blob) => blob.subarray(20, 52).toString('hex'))
    assert.equal(new Set(salts).size, 1_000)
    for (const [i, blob] of blobs.entries())
      assert.deepEqual(await keyring.unseal(i % 2 === 0 ? 'ten_a' : 'ten_b', PLACE, blob), SECRET)
  })
})

function newRoot(): Root {
  return fileRoot(rootKeyOf(randomBytes(32)))
}

async function ring(store: Store, root: Root): Promise<Keyring> {
  return await openKeyring(store, root, Date.now)
}

async function withTenants(store: Store, root: Root): Promise<Keyring> {
  const keyring = await ring(store, root)
  await store.write(async (tx) => {
    await keyring.create(tx, 'ten_a')
    await keyring.create(tx, 'ten_b')
  })
  return keyring
}

async function keysOf(store: Store, tenant: string) {
  return await store.read.selectFrom('data_key').selectAll().where('tenant_id', '=', tenant).execute()
}

async function notOpened(work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof NotOpened, String(error))
    assert.ok(!error.message.includes(SECRET.toString()))
    return true
  })
}

function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  copy[copy.length - 1] = (copy.at(-1) ?? 0) ^ 1
  return copy
}
