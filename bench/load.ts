/**
 * The load generator, a process of its own. In, as messages: deliveries to sign, then runs to make. Out: how many answers of
 * which kind came in what time, and how long they took. Refuses nothing; a run ends when its time or its deliveries do.
 *
 * Closed loop: each connection sends the next as soon as it has its answer, which measures the rate a server can hold. Open
 * loop: requests leave at a fixed rate whatever the server does, and waiting counts from when each was meant to leave, so
 * that a server that stalls cannot hide it by being asked less.
 */
import { Connection } from './connection.ts'
import { Deliveries, type DeliveriesWanted } from './deliveries.ts'
import { type Latency, latencyOf } from './latency.ts'

export interface Run {
  readonly port: number
  readonly path: string
  readonly connections: number
  readonly seconds: number
  /** Requests a second in an open loop; undefined for a closed one. */
  readonly rate: number | undefined
}

export type Order = { readonly sign: DeliveriesWanted } | { readonly run: Run }

export interface Loaded {
  /** Answered with 200. */
  readonly good: number
  /** Any other status, and connections that broke. */
  readonly bad: number
  readonly seconds: number
  readonly latency: Latency
}

/** Status of an accepted delivery. */
const GOOD = 200
/** After the last request has left, answers are waited for this long. */
const LATE_MS = 5_000

class Tally {
  readonly #millis: number[] = []
  #bad = 0

  take(status: number, millis: number): void {
    this.#millis.push(millis)
    if (status !== GOOD) this.#bad++
  }

  result(seconds: number): Loaded {
    const { length } = this.#millis
    return { good: length - this.#bad, bad: this.#bad, seconds, latency: latencyOf(this.#millis) }
  }
}

let deliveries: Deliveries | undefined

process.on('message', (order: Order) => void obey(order))
process.on('disconnect', () => process.exit(0))

async function obey(order: Order): Promise<void> {
  if ('sign' in order) {
    deliveries = Deliveries.signed(order.sign)
    process.send?.({ signed: deliveries.count })
    return
  }
  if (deliveries === undefined) throw new Error('make a run: nothing has been signed')
  deliveries.address(order.run.path)
  process.send?.(await make(order.run, deliveries))
}

async function make(run: Run, signed: Deliveries): Promise<Loaded> {
  const opened = Array.from({ length: run.connections }, () => new Connection(run.port).open())
  const connections = await Promise.all(opened)
  try {
    return run.rate === undefined
      ? await closedLoop(run, signed, connections)
      : await openLoop(run, run.rate, signed, connections)
  } finally {
    for (const connection of connections) connection.close()
  }
}

async function closedLoop(run: Run, signed: Deliveries, connections: readonly Connection[]): Promise<Loaded> {
  const tally = new Tally()
  const began = performance.now()
  const ends = began + run.seconds * 1_000
  let next = 0
  const work = (connection: Connection): Promise<void> =>
    new Promise((done) => {
      const again = (): void => {
        const sentAt = performance.now()
        if (sentAt >= ends || next >= signed.count) return done()
        connection.send(signed.at(next++), (status) => {
          tally.take(status, performance.now() - sentAt)
          again()
        })
      }
      again()
    })
  await Promise.all(connections.map(work))
  return tally.result((performance.now() - began) / 1_000)
}

async function openLoop(
  run: Run,
  rate: number,
  signed: Deliveries,
  connections: readonly Connection[],
): Promise<Loaded> {
  const tally = new Tally()
  const total = Math.min(signed.count, Math.floor(run.seconds * rate))
  const idle = [...connections]
  const began = performance.now()
  let sent = 0
  let answered = 0
  await new Promise<void>((done) => {
    const due = (i: number): number => began + (i * 1_000) / rate
    const dispatch = (): void => {
      const now = performance.now()
      while (sent < total && due(sent) <= now) {
        const connection = idle.pop()
        if (connection === undefined) return
        const meant = due(sent)
        connection.send(signed.at(sent++), (status) => {
          tally.take(status, performance.now() - meant)
          idle.push(connection)
          answered++
          dispatch()
        })
      }
    }
    const timer = setInterval(() => {
      dispatch()
      const late = performance.now() - due(total) > LATE_MS
      if (answered < total && !late) return
      clearInterval(timer)
      // What never came counts as the worst it can be seen to be.
      for (; answered < total; answered++) tally.take(0, performance.now() - began)
      done()
    }, 1)
  })
  return tally.result((performance.now() - began) / 1_000)
}
