/**
 * The short form of `npm run prove`'s copies: one round, a thousand copies over two gates, one killed. In: a seed, which it
 * prints. Out: nothing. Refuses what `copies.ts` refuses.
 */
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import { seeded } from '../faults/crash.ts'
import { testDatabase } from '../support/postgres.ts'
import { reasonToSkip } from '../support/presence.ts'
import { Copies } from './copies.ts'

test('a thousand copies over two gates, one of which is killed: one delivery, one dispatch', async (t) => {
  let database
  try {
    database = await testDatabase()
  } catch (error) {
    return t.skip(reasonToSkip('postgres', error))
  }
  const seed = randomInt(2 ** 31)
  const copies = await Copies.open(database.url, seeded(seed))
  try {
    await copies.round()
    t.diagnostic(`seed ${seed}: ${copies.broken} copies broke off`)
  } finally {
    await copies.close()
    await database.drop()
  }
})
