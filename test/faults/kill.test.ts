/**
 * The short form of the crash proof (`npm run prove` has the long one): a gate killed under load, and its app too. In: a
 * seed, which it prints. Out: nothing. Refuses an acknowledged delivery that is lost, doubled or half there.
 */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { eachEngine } from '../support/engines.ts'
import { Crash, seeded } from './crash.ts'

const ROUNDS = 6

eachEngine(
  'kill -9 of gate and app under load: nothing lost, nothing doubled, nothing half',
  async (engine, t) => {
    const seed = randomInt(2 ** 32)
    const crash = await Crash.open(engine, seeded(seed))
    try {
      for (let i = 0; i < ROUNDS; i++) await crash.round()
      await crash.settle({ shorten: true })
      t.diagnostic(`seed ${seed}: ${JSON.stringify(crash.counts)}`)
      assert.ok(crash.counts.repeatsRefused > 0, 'the gate did take deliveries, and repeats of them')
    } catch (error) {
      throw new Error(`with seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      })
    } finally {
      await crash.close()
    }
  },
)
