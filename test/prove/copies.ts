/**
 * A thousand copies of one delivery over two gates on one PostgreSQL, one gate killed in each round. In: `ROUNDS` (20 unless
 * set) and `SEED`. Out: a line with the counts; exit code 0. Refuses, with exit code 1 and the seed, a delivery that is
 * there or was dispatched other than once, a copy that is never acknowledged, and one that does not reach the app.
 */
import { randomInt } from 'node:crypto'
import { seeded } from '../faults/crash.ts'
import { Copies } from '../pressure/copies.ts'
import { testDatabase } from '../support/postgres.ts'

const ROUNDS = Number(process.env['ROUNDS'] ?? 20)
const SEED = Number(process.env['SEED'] ?? randomInt(2 ** 31))
/** Milliseconds: a lease of a gate that died runs out after thirty seconds, and the first retry comes soon. */
const SETTLED = 90_000

const database = await testDatabase().catch(() => undefined)
if (database === undefined) process.stdout.write('copies: PostgreSQL is not here, nothing proved\n')
else {
  const copies = await Copies.open(database.url, seeded(SEED))
  try {
    for (let round = 0; round < ROUNDS; round++) await copies.round()
    await copies.settle(SETTLED)
    process.stdout.write(
      `copies: ${ROUNDS} rounds of 1000 copies, a gate killed in each, SEED=${SEED}: ${copies.broken} copies broke off; ` +
        `each delivery accepted once, dispatched once, under one id at the app\n`,
    )
  } catch (error) {
    process.exitCode = 1
    process.stderr.write(
      `gatehouse: error: copies, SEED=${SEED}: ${error instanceof Error ? error.message : String(error)}\n`,
    )
  } finally {
    await copies.close()
    await database.drop()
  }
}
