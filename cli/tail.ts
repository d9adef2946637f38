/**
 * Follows what comes in and what is turned away. In: a tenant, perhaps one channel. Out: a line for each delivery, for
 * each change of how far it got, and for each refusal, as they happen, until SIGINT. Refuses nothing; while the gate is
 * away it says so once and goes on asking.
 *
 * It asks the same lists that `delivery list` and `refusal list` show, once a second: the gate keeps nothing for it.
 */
import type { Client } from '@gatehouse/contract/client.ts'
import { setTimeout as pause } from 'node:timers/promises'
import type { Command, Input } from './command.ts'
import { online } from './connect.ts'
import { answer, type Io, plain, remark } from './io.ts'
import { channelIdOf, tenantOf } from './resolve.ts'
import { EXIT } from './trouble.ts'

const EVERY_MS = 1_000
/** Items of one page, the most that the API gives. */
const PAGE = 100
/** Pages read to catch up after a burst; what is beyond is said, not shown. */
const PAGES_CAP = 10
/** Channels whose refusals are asked in one turn; with more, each has its turn later. */
const CHANNELS_AT_ONCE = 10
/** Channels followed. */
const CHANNELS_CAP = 1_000
/** Turns after which new channels are looked for. */
const CHANNELS_EVERY = 30
/** Items remembered as shown. */
const SEEN_CAP = 5_000

type Delivery = Awaited<ReturnType<Client['readDelivery']>>
type Refusal = Awaited<ReturnType<Client['listRefusals']>>['items'][number]

export const tail: Command = {
  name: 'tail',
  summary: 'Follow deliveries and refusals as they happen',
  options: { channel: { value: 'channel', help: 'only of this one, id or name' } },
  online: true,
  tenanted: true,
  example: 'gatehouse tail --channel support',
  run: online(async (api, input, io) => {
    const tenant = await tenantOf(api, input)
    const named = input.text('channel')
    const channel = named === undefined ? undefined : await channelIdOf(api, tenant, named)
    const stop = new AbortController()
    const quiet = io.onStop(() => stop.abort())
    const follower = new Follower({ api, tenant, channel, print: printer(input, io) })
    await follower.begin()
    remark(io, 'hint', 'following; Ctrl-C ends it')
    let isAway = false
    while (!stop.signal.aborted) {
      await pause(EVERY_MS, undefined, { signal: stop.signal }).catch(() => {})
      if (stop.signal.aborted) break
      try {
        await follower.turn()
        if (isAway) remark(io, 'hint', 'the gate is back')
        isAway = false
      } catch (cause) {
        if (!isAway)
          remark(io, 'warning', cause instanceof Error ? cause.message : 'the gate does not answer')
        isAway = true
      }
    }
    quiet()
    return EXIT.done
  }),
}

interface Line {
  readonly at: string
  readonly what: 'delivery' | 'progress' | 'refusal' | 'missed'
  readonly channel: string
  readonly id: string
  readonly [more: string]: unknown
}

interface Followed {
  readonly api: Client
  readonly tenant: string
  readonly channel: string | undefined
  readonly print: (line: Line) => void
}

export class Follower {
  readonly #followed: Followed
  /** Deliveries shown, by id, with how far they had got; the oldest fall out. */
  readonly #deliveries = new Map<string, string>()
  readonly #refusals = new Map<string, true>()
  #channels: readonly string[] = []
  #turns = 0
  #next = 0

  constructor(followed: Followed) {
    this.#followed = followed
  }

  /** Takes what is there already as shown. */
  async begin(): Promise<void> {
    for (const delivery of await this.#newest())
      this.#remember(this.#deliveries, delivery.id, progressOf(delivery))
    await this.#findChannels()
    for (let from = 0; from < this.#channels.length; from += CHANNELS_AT_ONCE) {
      for (const [, refusals] of await this.#refusalsOf(this.#channels.slice(from, from + CHANNELS_AT_ONCE)))
        for (const { id } of refusals) this.#remember(this.#refusals, id, true)
    }
  }

  /** One look. */
  async turn(): Promise<void> {
    this.#turns++
    if (this.#turns % CHANNELS_EVERY === 0) await this.#findChannels()
    await this.#turnDeliveries()
    await this.#turnRefusals()
  }

  async #turnDeliveries(): Promise<void> {
    for (const delivery of (await this.#newest()).toReversed()) {
      const before = this.#deliveries.get(delivery.id)
      const progress = progressOf(delivery)
      if (before === progress) continue
      this.#remember(this.#deliveries, delivery.id, progress)
      const { id, channel, source, kind, size } = delivery
      this.#followed.print(
        before === undefined
          ? { at: delivery.receivedAt, what: 'delivery', channel, id, source, kind, size, progress }
          : { at: new Date().toISOString(), what: 'progress', channel, id, progress },
      )
    }
  }

  async #turnRefusals(): Promise<void> {
    const now = this.#channels.slice(this.#next, this.#next + CHANNELS_AT_ONCE)
    this.#next = this.#next + CHANNELS_AT_ONCE < this.#channels.length ? this.#next + CHANNELS_AT_ONCE : 0
    for (const [channel, refusals] of await this.#refusalsOf(now)) {
      for (const { id, at, reason, detail, count, requestId } of refusals.toReversed()) {
        if (this.#refusals.has(id)) continue
        this.#remember(this.#refusals, id, true)
        this.#followed.print({ at, what: 'refusal', channel, id, reason, detail, count, requestId })
      }
    }
  }

  /** The newest, back to the first one known; a page at least, so that progress is seen. */
  async #newest(): Promise<readonly Delivery[]> {
    const { api, tenant, channel } = this.#followed
    const found: Delivery[] = []
    let cursor: string | undefined
    for (let page = 0; page < PAGES_CAP; page++) {
      const { items, next } = await api.listDeliveries(tenant, {
        limit: PAGE,
        ...(channel !== undefined && { channel }),
        ...(cursor !== undefined && { cursor }),
      })
      found.push(...items)
      const isKnown = this.#turns === 0 || items.some(({ id }) => this.#deliveries.has(id))
      if (next === null || isKnown) return found
      cursor = next
    }
    const oldest = found.at(-1)
    if (oldest !== undefined)
      this.#followed.print({ at: oldest.receivedAt, what: 'missed', channel: channel ?? '', id: oldest.id })
    return found
  }

  async #refusalsOf(
    channels: readonly string[],
  ): Promise<readonly (readonly [string, readonly Refusal[]])[]> {
    const { api, tenant } = this.#followed
    return await Promise.all(
      channels.map(
        async (channel) =>
          [channel, (await api.listRefusals(tenant, channel, { limit: PAGE })).items] as const,
      ),
    )
  }

  async #findChannels(): Promise<void> {
    const { api, tenant, channel } = this.#followed
    if (channel !== undefined) return void (this.#channels = [channel])
    const found: string[] = []
    let cursor: string | undefined
    while (found.length < CHANNELS_CAP) {
      const { items, next } = await api.listChannels(tenant, {
        limit: PAGE,
        ...(cursor !== undefined && { cursor }),
      })
      found.push(...items.map(({ id }) => id))
      if (next === null) break
      cursor = next
    }
    this.#channels = found
  }

  #remember<T>(known: Map<string, T>, id: string, value: T): void {
    known.delete(id)
    known.set(id, value)
    const [oldest] = known.keys()
    if (known.size > SEEN_CAP && oldest !== undefined) known.delete(oldest)
  }
}

/** `done 2, dead 1`: how many of its dispatches are in which state. */
function progressOf({ dispatches }: Delivery): string {
  const counts = Map.groupBy(dispatches, ({ state }) => state)
  return (
    [...counts]
      .map(([state, some]) => `${state} ${some.length}`)
      .toSorted()
      .join(', ') || 'to nobody'
  )
}

function printer(input: Input, io: Io): (line: Line) => void {
  const isJson = input.flag('json')
  return (line) => answer(io, isJson ? JSON.stringify(line) : plain(spoken(line)))
}

function spoken(line: Line): string {
  const { at, what, channel, id } = line
  const text = (name: string): string => String(line[name])
  const time = at.slice(11, 23)
  switch (what) {
    case 'delivery':
      return `${time}  accepted  ${channel}  ${id}  ${text('source')} ${text('kind')} ${text('size')} B  ${text('progress')}`
    case 'progress':
      return `${time}  progress  ${channel}  ${id}  ${text('progress')}`
    case 'refusal': {
      const times = line['count'] === 1 ? '' : `  ${text('count')} times`
      const reason = `${text('reason')} ${text('detail')}`.trimEnd()
      return `${time}  refused   ${channel}  ${text('requestId')}  ${reason}${times}`
    }
    case 'missed':
      return `${time}  missed    some before ${id}: they came too fast; see gatehouse delivery list`
  }
}
