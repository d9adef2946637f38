/**
 * A steady stream of deliveries to one channel. In: where, how many a second, for how long, and what makes each. Out: how
 * often each status came, which ids were taken, and how long answers took. Refuses nothing; an answer that does not come
 * is status 0. Open loop: a slow answer does not hold up the next request, so a stall shows in full.
 */
import { createHmac } from 'node:crypto'
import { Agent } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { send } from '../support/ingress.ts'

/** Milliseconds between two ticks; each sends what is due. */
const TICK = 5
/** Connections of one stream: enough that none waits for another at the rates used here. */
const CONNECTIONS = 64

export interface Stream {
  readonly statuses: ReadonlyMap<number, number>
  /** Ids that heard 2xx. */
  readonly taken: readonly string[]
  /** Milliseconds from when each was due to its answer. */
  readonly waits: readonly number[]
}

export interface Streaming {
  readonly url: string
  readonly secret: string
  /** A second. */
  readonly rate: number
  readonly forged?: boolean
  /** Begins the id of each. */
  readonly name: string
  /** Bounds what waits for an answer; beyond it the sender waits too, as one that floods from one machine would. */
  readonly open?: number
}

export async function stream(streaming: Streaming, stop: AbortSignal): Promise<Stream> {
  const { url, secret, rate, forged = false, name, open = 1_000 } = streaming
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  const statuses = new Map<number, number>()
  const taken: string[] = []
  const waits: number[] = []
  const flying = new Set<Promise<void>>()
  const began = performance.now()
  const one = async (n: number): Promise<void> => {
    const due = began + (n * 1_000) / rate
    const id = `${name}-${n}`
    const { status } = await send(url, { ...delivery(id, forged ? 'another' : secret), agent }).catch(() => ({
      status: 0,
    }))
    waits.push(performance.now() - due)
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
    if (status >= 200 && status < 300) taken.push(id)
  }
  for (let n = 0; !stop.aborted; await pause(TICK)) {
    for (const due = ((performance.now() - began) / 1_000) * rate; n < due && flying.size < open; n++) {
      const sent = one(n).finally(() => flying.delete(sent))
      flying.add(sent)
    }
  }
  await Promise.all(flying)
  agent.destroy()
  return { statuses, taken, waits }
}

export function delivery(id: string, secret: string) {
  const body = JSON.stringify({ id, text: 'a delivery' })
  const signature = createHmac('sha256', secret).update(body).digest('hex')
  return { body, headers: { 'content-type': 'application/json', 'x-signature': signature } }
}

/** Settings of a `generic-hmac` channel that these deliveries suit. */
export const SETTINGS = { header: 'x-signature', deliveryIdPath: 'id' } as const

export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN
}

export function told(statuses: ReadonlyMap<number, number>): string {
  const each = [...statuses].toSorted(([a], [b]) => a - b)
  return each.map(([status, times]) => `${status} × ${times}`).join(', ')
}
