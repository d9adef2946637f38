/**
 * Many bent requests at a running gate, for longer than a test run has time. In: `COUNT` (100,000 unless given) and `SEED`.
 * Out: a line with how often each status came. Refuses, with exit code 1, what `ingress/bombard.ts` refuses.
 */
import { bombard } from '../ingress/bombard.ts'
import { openHouse } from '../support/ingress.ts'

const USUAL = 100_000

const count = Number(process.env['COUNT'] ?? USUAL)
const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))

process.stdout.write(`fuzz: ${count} requests, SEED=${seed}\n`)
const house = await openHouse({ engine: 'sqlite', file: '' })
try {
  const began = performance.now()
  const { sent, statuses } = await bombard(house, count, seed)
  const told = [...statuses].toSorted(([a], [b]) => a - b).map(([status, times]) => `${status} × ${times}`)
  const seconds = ((performance.now() - began) / 1_000).toFixed(1)
  process.stdout.write(
    `fuzz: ${sent} sent in ${seconds} s, none of the 500s, the gate is well: ${told.join(', ')}\n`,
  )
} catch (error) {
  process.exitCode = 1
  process.stderr.write(`gatehouse: error: fuzz: ${error instanceof Error ? error.message : String(error)}\n`)
} finally {
  await house.close()
}
