/**
 * Copies of one delivery at two gates over one PostgreSQL, one of which dies meanwhile. In: a random source. Out: rounds,
 * each with what became of its copies. Refuses, by throwing, a copy that no repeat gets acknowledged, and a delivery that
 * is there, or was dispatched, other than once.
 */
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import type { Gate } from '../support/gate.ts'
import { type App, type House, type Line, openHouse, openLine, send, startApp } from '../support/ingress.ts'
import { type Signed, type Vendor, vendor } from '../ingress/vendors.ts'

const COPIES = 1_000
/** Answers after which a gate dies, at most: fewer than there are. */
const KILL_AFTER = 700
/** Repeats of a copy that broke off. */
const TRIES = 40

export class Copies {
  readonly #house: House
  readonly #app: App
  readonly #from: Vendor
  readonly #line: Line
  readonly #random: () => number
  #gates: Gate[]
  #round = 0
  #broken = 0

  private constructor(house: House, app: App, line: Line, from: Vendor, random: () => number) {
    this.#house = house
    this.#app = app
    this.#line = line
    this.#from = from
    this.#random = random
    this.#gates = [...house.gates]
  }

  static async open(url: string, random: () => number): Promise<Copies> {
    const app = await startApp()
    const house = await openHouse({ engine: 'postgres', url }, { gates: 2 })
    const from = vendor('slack')
    const line = await openLine(house, 'slack', from.secret)
    const subscription = { name: 'bot', mode: 'push', url: app.url, channels: [line.id] } as const
    await house.admin.createSubscription(house.tenant, { ...subscription, channels: [line.id] })
    return new Copies(house, app, line, from, random)
  }

  /** Copies that got no answer from the gate that died, over all rounds. */
  get broken(): number {
    return this.#broken
  }

  /** One round: a thousand copies, one kill, and repeats until each copy is acknowledged. */
  async round(): Promise<void> {
    const copy = this.#from.says({ n: ++this.#round })
    const victim = Math.floor(this.#random() * 2)
    let left = Math.floor(this.#random() * KILL_AFTER)
    let killed: Promise<void> | undefined
    const statuses = await Promise.all(
      Array.from({ length: COPIES }, async (_, n) => {
        const status = await this.#send(copy, n)
        if (left-- <= 0) killed ??= this.#gates[victim]?.kill()
        return status
      }),
    )
    await killed
    this.#gates[victim] = await this.#house.add()
    const lost = statuses.filter((status) => status !== 200)
    this.#broken += lost.length
    assert.ok(
      lost.every((status) => status === 0 || status === 503),
      `round ${this.#round}: ${[...new Set(lost)].join()}`,
    )
    await Promise.all(Array.from({ length: Math.max(1, lost.length) }, (_, n) => this.#repeat(copy, n)))
    await this.#cameOnce()
  }

  /** Every delivery has reached the app; under one id each. */
  async settle(patience: number): Promise<void> {
    const end = performance.now() + patience
    while (this.#ids().size < this.#round && performance.now() < end) await pause(100)
    assert.equal(this.#ids().size, this.#round, 'each delivery reached the app, under one id')
  }

  async close(): Promise<void> {
    await this.#house.close()
    await this.#app.close()
  }

  async #send({ headers, body }: Signed, n: number): Promise<number> {
    const gate = this.#gates[n % 2]
    if (gate === undefined) return 0
    const answer = await send(gate.publicUrl + this.#line.path, { headers, body }).catch(() => undefined)
    return answer?.status ?? 0
  }

  async #repeat(copy: Signed, n: number): Promise<void> {
    for (let tries = 0; tries < TRIES; tries++) {
      if ((await this.#send(copy, n)) === 200) return
      await pause(100)
    }
    assert.fail(`round ${this.#round}: a copy was not acknowledged in ${TRIES} tries`)
  }

  async #cameOnce(): Promise<void> {
    const { tenant, token } = this.#house
    const [gate] = this.#gates
    const answer = await fetch(
      `${gate?.adminUrl}/v1/tenants/${tenant}/deliveries?limit=100&channel=${this.#line.id}`,
      {
        headers: { authorization: `Bearer ${token}` },
      },
    )
    // A boundary: the admin API's own answer.
    const { items } = (await answer.json()) as { items: { dispatches: unknown[] }[] }
    assert.equal(items.length, this.#round, 'one delivery a round')
    assert.deepEqual([...new Set(items.map(({ dispatches }) => dispatches.length))], [1], 'one dispatch each')
    assert.ok(this.#ids().size <= this.#round, 'no delivery came under two ids')
  }

  #ids(): Set<string> {
    return new Set(this.#app.got.map(({ headers }) => String(headers['webhook-id'])))
  }
}
