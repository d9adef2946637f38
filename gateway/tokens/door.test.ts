import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { eachEngine } from '../../test/support/engines.ts'
import { openStore } from '../store/open.ts'
import { TokenDoor } from './door.ts'
import { issueToken } from './issue.ts'
import { LiveToken } from './verify.ts'

const ISSUE = { name: 'n', tenant: null, subscription: null, scopes: ['tenant:read'], expiresAt: null }

eachEngine(
  'a revocation is felt at once where it is made, and within a second elsewhere',
  async (engine, t) => {
    let now = Date.now()
    const clock = () => now
    const store = await openStore(engine, clock)
    const door = new TokenDoor(store, clock)
    t.after(async () => {
      await door.close()
      await store.close()
    })
    const { id, token } = await store.write((tx) => issueToken(tx, randomBytes, now, ISSUE))
    assert.ok((await door.verify(token)) instanceof LiveToken)

    await store.write(async ({ db }) => {
      await db.updateTable('token').set({ revoked_at: now }).where('id', '=', id).execute()
    })
    assert.ok((await door.verify(token)) instanceof LiveToken, 'unannounced, it is remembered for a moment')
    now += 1_000
    assert.deepEqual(await door.verify(token), { denied: 'revoked' })
  },
)

eachEngine('a token that was announced as revoked is forgotten', async (engine, t) => {
  const clock = () => 1_000
  const store = await openStore(engine, clock)
  const door = new TokenDoor(store, clock)
  t.after(async () => {
    await door.close()
    await store.close()
  })
  const { id, token } = await store.write((tx) => issueToken(tx, randomBytes, 1_000, ISSUE))
  await door.verify(token)
  await store.write(async (tx) => {
    await tx.db.updateTable('token').set({ revoked_at: 1_000 }).where('id', '=', id).execute()
    tx.announce('config')
  })
  const deadline = Date.now() + 3_000
  let verdict = await door.verify(token)
  while (verdict instanceof LiveToken && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 10))
    verdict = await door.verify(token)
  }
  assert.deepEqual(verdict, { denied: 'revoked' })
})

eachEngine('last use is written at most once a minute, and at the end', async (engine, t) => {
  let now = 1_000_000
  const store = await openStore(engine, () => now)
  const door = new TokenDoor(store, () => now)
  t.after(() => store.close())
  const lastUsed = async () =>
    (await store.read.selectFrom('token').select('last_used_at').executeTakeFirstOrThrow()).last_used_at
  const { token } = await store.write((tx) => issueToken(tx, randomBytes, now, ISSUE))
  await door.verify(token)
  for (let i = 0; i < 100 && (await lastUsed()) === null; i++)
    await new Promise((resolve) => setTimeout(resolve, 10))
  assert.equal(await lastUsed(), 1_000_000)
  now += 30_000
  await door.verify(token)
  assert.equal(await lastUsed(), 1_000_000)
  await door.close()
  assert.equal(await lastUsed(), 1_030_000)
})
