/**
 * Senders that never give up: many at once, each delivery signed, one in five a repeat. In: a channel and where it is now.
 * Out: what was acknowledged and what nobody knows. Refuses an answer that a genuine delivery must not get.
 */
import { createHmac } from 'node:crypto'
import { Agent, request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'

/** Senders at once. */
const SENDERS = 16
/** Share of sends that repeat one sent before. */
const REPEATS = 0.2
/** Repeats are of the last so many, so that many come close to a crash. */
const RECENT = 300

/** Milliseconds between tries of one sender while the gate is gone. */
const BROKEN_MS = 10

export interface Target {
  readonly channel: string
  readonly path: string
  readonly secret: string
}

export class Senders {
  readonly acknowledged = new Set<string>()
  /** Request ids of the answers to repeats of what had been acknowledged before. */
  readonly repeats: string[] = []
  /** Answers that were neither 2xx nor a broken connection, by status. */
  readonly refused = new Map<number, number>()
  readonly #target: Target
  readonly #random: () => number
  #recent: string[] = []
  #made = 0
  #sent = 0

  constructor(target: Target, random: () => number) {
    this.#target = target
    this.#random = random
  }

  get sent(): number {
    return this.#sent
  }

  /** Sends until `stop`; an answer that breaks off is an outcome nobody knows. */
  async run(url: string, stop: AbortSignal): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: SENDERS })
    const one = async (): Promise<void> => {
      while (!stop.aborted) await this.#sendOne(url, agent)
    }
    await Promise.all(Array.from({ length: SENDERS }, one))
    agent.destroy()
  }

  /** Sends some of what was acknowledged once more, to a gate that stays; answers how many. */
  async repeatSome(url: string, count: number): Promise<number> {
    const agent = new Agent({ keepAlive: true })
    const ids = [...this.acknowledged].slice(-count)
    await Promise.all(ids.map((id) => this.#sendOne(url, agent, id)))
    agent.destroy()
    return ids.length
  }

  async #sendOne(url: string, agent: Agent, id = this.#pick()): Promise<void> {
    const wasAcknowledged = this.acknowledged.has(id)
    this.#sent++
    const answer = await this.#post(url, agent, id)
    // A gate that is gone is not asked in a tight loop.
    if (answer === undefined) return await pause(BROKEN_MS)
    if (answer.status < 200 || answer.status > 299) {
      this.refused.set(answer.status, (this.refused.get(answer.status) ?? 0) + 1)
      return
    }
    this.acknowledged.add(id)
    if (wasAcknowledged) this.repeats.push(answer.requestId)
  }

  #pick(): string {
    const { length } = this.#recent
    const old = this.#random() < REPEATS ? this.#recent[Math.floor(this.#random() * length)] : undefined
    if (old !== undefined) return old
    const id = `event-${++this.#made}`
    this.#recent.push(id)
    if (length > 2 * RECENT) this.#recent = this.#recent.slice(-RECENT)
    return id
  }

  #post(url: string, agent: Agent, id: string): Promise<{ status: number; requestId: string } | undefined> {
    const body = JSON.stringify({ id, text: `the text of ${id}, the same each time it is sent` })
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'x-signature': createHmac('sha256', this.#target.secret).update(body).digest('hex'),
    }
    return new Promise((resolve) => {
      const outgoing = request(url + this.#target.path, { method: 'POST', agent, headers }, (answer) => {
        const requestId = String(answer.headers['gatehouse-request-id'])
        resolve({ status: answer.statusCode ?? 0, requestId })
        answer.resume().on('error', () => {})
      })
      outgoing.on('error', () => resolve(undefined))
      outgoing.on('close', () => resolve(undefined))
      outgoing.end(body)
    })
  }
}
