/**
 * The shapes of `pressure/shapes.ts`, each cut into segments at random places, over and over. In: `ROUNDS` (20 unless set)
 * and `SEED`. Out: a line with how many were played. Refuses, with exit code 1 and the seed, an answer that depends on how
 * the bytes arrive, any of the 500s, a hang, and a gate that is not well after.
 */
import { seeded } from '../faults/crash.ts'
import { vendor } from '../ingress/vendors.ts'
import { chunks, firstLines, framings, sequences, type Shape } from '../pressure/shapes.ts'
import { play, wrong } from '../pressure/wire.ts'
import { openHouse, openLine, send } from '../support/ingress.ts'

const ROUNDS = Number(process.env['ROUNDS'] ?? 20)
const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
/** Segments of one shape, at most. */
const CUTS = 6

const random = seeded(SEED)
const house = await openHouse({ engine: 'sqlite', file: '' })
try {
  const from = vendor('slack')
  const { path } = await openLine(house, 'slack', from.secret)
  let n = 1_000_000
  const deliver = () => from.says({ n: ++n, text: 'a delivery' })
  let played = 0
  for (let round = 0; round < ROUNDS; round++) {
    for (const group of [framings, firstLines, chunks, sequences]) {
      const shapes = group(path, deliver).map(cut)
      const faults = await Promise.all(
        shapes.map(async (shape) => wrong(shape, await play(house.gate.publicUrl, shape))),
      )
      const fault = faults.find((one) => one !== undefined)
      if (fault !== undefined) throw new Error(`round ${round}: ${fault}`)
      played += shapes.length
    }
  }
  if (/"level":"(error|fatal)"/.test(house.gate.log())) throw new Error(house.gate.log().slice(-2_000))
  const { status } = await send(house.gate.publicUrl + path, deliver())
  if (status !== 200) throw new Error(`the gate is not well: it answers ${status}`)
  process.stdout.write(
    `smuggling: ${played} shapes in ${ROUNDS} rounds, SEED=${SEED}: each answered as wanted\n`,
  )
} catch (error) {
  process.exitCode = 1
  process.stderr.write(
    `gatehouse: error: smuggling, SEED=${SEED}: ${error instanceof Error ? error.message : String(error)}\n`,
  )
} finally {
  await house.close()
}

/** What stands in one segment for a reason (an upgrade with bytes behind it) stays in one. */
function cut(shape: Shape): Shape {
  const { bytes, name } = shape
  const [text = '', ...more] = bytes
  if (more.length > 0 || text.length > 60_000 || name.includes('switch')) return shape
  const places = Array.from({ length: Math.floor(random() * CUTS) }, () => Math.floor(random() * text.length))
  const edges = [0, ...places.toSorted((a, b) => a - b), text.length]
  return { ...shape, bytes: edges.slice(1).map((edge, i) => text.slice(edges[i], edge)) }
}
