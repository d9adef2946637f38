/**
 * A gate in one process around sync answers, for tests only. In: a store, and an app on loopback. Out: Slack commands
 * proved and accepted as the ingress does, their answers, and the dispatches behind them. Refuses nothing; two of them over
 * one database are two gates.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { type Delivery, startDelivery } from './delivery/deliver.ts'
import { fanOut } from './delivery/fan-out.ts'
import { PUSH_LIMITS } from './delivery/push.ts'
import { openRig, type Rig } from './delivery/rig.ts'
import { openDialler } from './egress/dial.ts'
import { Acceptor, type Proved } from './ingress/accept.ts'
import type { Channel } from './ingress/channel.ts'
import { unpack } from './ingress/content.ts'
import { read } from './ingress/read.ts'
import { proved, signed, source } from './ingress/signing.fixture.ts'
import type { Answer } from './ingress/source.ts'
import { SyncAnswers, type SyncNeeds, type SyncOutcome } from './ingress/sync.ts'
import type { Store } from './store/store.ts'

export type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void

export interface App {
  readonly url: string
  readonly seen: IncomingMessage['headers'][]
  handler: Handler
  close(): void
}

export async function startApp(handler: Handler): Promise<App> {
  const seen: App['seen'] = []
  const server = createServer((request, response) => {
    const take = async (): Promise<void> => {
      const body = await text(request)
      seen.push(request.headers)
      app.handler(request, response, body)
    }
    void take().catch(() => response.destroy())
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const app: App = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    seen,
    handler,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
  return app
}

/** Answers with JSON. */
export function says(value: unknown, status = 200): Handler {
  return (_, response) =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

export interface Gate {
  readonly on: Rig
  readonly delivery: Delivery
  readonly outcomes: SyncOutcome[]
  /** A slash command as Slack sends it; the same number is the same callback. */
  command(number: number): Proved
  /** Accepts and answers it within `budgetMs`. */
  answer(given: Proved, budgetMs?: number): Promise<Answer>
  /** Accepts it, and dies. */
  acceptOnly(given: Proved): Promise<void>
  close(): Promise<void>
}

/** `rig` is another gate's, to be a second one over its tenant and channel. */
export async function openGate(store: Store, rig?: Rig, needs: Partial<SyncNeeds> = {}): Promise<Gate> {
  const dialler = openDialler({
    config: { except: [], allowLoopback: true },
    resolve: async () => ['127.0.0.1'],
  })
  const ways = { unpack, post: dialler.post, call: dialler.call }
  const on = rig === undefined ? await openRig(store, ways) : { ...rig, ...ways, store }
  const delivery = startDelivery(on, { ...PUSH_LIMITS, tickMs: 50 })
  const outcomes: SyncOutcome[] = []
  const acceptor = new Acceptor({
    store,
    seal: async (_tenant, _row, bytes) => Buffer.from(bytes),
    append: async () => undefined,
    fanOut,
    clock: on.clock,
  })
  const sync = new SyncAnswers({
    store,
    subscriptionOf: async (id) => (await delivery.ways.of(id)).sync,
    lease: () => delivery.sync.lease(),
    call: (asked, take) => delivery.sync.call(asked, take),
    isOpen: (id, subscription) => delivery.sync.isOpen(id, subscription),
    originalOf: (given) => acceptor.originalOf(given),
    seal: async (_tenant, _place, bytes) => Buffer.from(bytes),
    unseal: async (_tenant, _place, blob) => Buffer.from(blob),
    report: (_source, outcome) => void outcomes.push(outcome),
    clock: on.clock,
    ...needs,
  })
  const channel: Channel = {
    id: on.channel,
    tenant: on.tenant,
    name: 'slack',
    source: source('slack'),
    settings: {},
    workspaces: undefined,
    replayMs: 60_000,
    paused: false,
    credentials: [],
  }
  const planned = async (given: Proved, budgetMs: number) => {
    const plan = await sync.plan(channel, given.facts)
    if (plan === undefined) throw new Error('no app answers here')
    return { ...plan, budgetMs }
  }
  return {
    on,
    delivery,
    outcomes,
    command(number) {
      const form = `command=%2Fdeploy&text=now&team_id=T1&user_id=U1&channel_id=C1&trigger_id=${number}.x`
      const verified = proved('slack', signed('slack', form))
      const facts = read(verified, channel.source, {})
      if ('malformed' in facts) throw new Error(facts.malformed)
      return { channel, delivery: verified, facts, requestId: `req_${number}` }
    },
    async answer(given, budgetMs = 2_500) {
      const startedAt = on.clock()
      const plan = await planned(given, budgetMs)
      return await sync.answer(plan, given, await acceptor.accept({ ...given, lease: plan.lease }), startedAt)
    },
    async acceptOnly(given) {
      const plan = await planned(given, 0)
      await acceptor.accept({ ...given, lease: plan.lease })
    },
    async close() {
      await delivery.close(500)
      await dialler.close()
    },
  }
}
