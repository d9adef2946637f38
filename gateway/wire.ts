/**
 * Makes the rooms and hands each what it needs: the only place that knows them all. In: configuration, store, keyring,
 * log, metrics, tracer and clock. Out: the two listeners' servers, the claim code's maker, and the way to end it all.
 * Refuses what its parts refuse at the start.
 */
import { randomBytes } from 'node:crypto'
import { lookup, Resolver } from 'node:dns/promises'
import { createServer, type Server } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { Attachments } from './attachments/open.ts'
import { append, appendAll } from './audit/append.ts'
import type { Config } from './config.ts'
import { type Delivery, startDelivery } from './delivery/deliver.ts'
import { fanOut, replay } from './delivery/fan-out.ts'
import { previewReplay } from './delivery/replayer.ts'
import { type Dialler, openDialler } from './egress/dial.ts'
import { parseCidr } from './egress/address-text.ts'
import { pushUrl } from './egress/target.ts'
import { makeAdmin } from './http/admin.ts'
import { RATE_CLASSES } from './http/route.ts'
import { publicServer } from './http/public.ts'
import { Acceptor } from './ingress/accept.ts'
import { ChannelBook } from './ingress/channel.ts'
import { unpack } from './ingress/content.ts'
import { CredentialUse } from './ingress/credential-use.ts'
import { RawBodies } from './ingress/raw.ts'
import { Receiver } from './ingress/receive.ts'
import { RefusalLog } from './ingress/refusals.ts'
import { StoreBreaker } from './ingress/store-breaker.ts'
import { SOURCES, sourceNamed } from './ingress/sources.ts'
import { SyncAnswers } from './ingress/sync.ts'
import { VendorKeys } from './ingress/vendor-keys.ts'
import { Visits } from './ingress/visit.ts'
import { Rates } from './limits/rates.ts'
import { openRedis } from './limits/redis.ts'
import type { Log } from './observe/log.ts'
import type { Metrics } from './observe/metrics.ts'
import { deliveryReport, ingressReport } from './observe/report.ts'
import { newRequestId } from './observe/request-id.ts'
import type { Tracer } from './observe/trace.ts'
import { isPlaceholder } from './placeholder.ts'
import type { Rooms } from './routes.ts'
import type { Keyring } from './secrets/keyring.ts'
import { Secret } from './secrets/sealed.ts'
import { Pruner } from './store/prune.ts'
import type { Store } from './store/store.ts'
import { TokenDoor } from './tokens/door.ts'
import { issueToken } from './tokens/issue.ts'
import { revokeTokensOf } from './tokens/tokens.ts'
import { vitals } from './vitals.ts'

export interface Parts {
  readonly config: Config
  readonly store: Store
  readonly keyring: Keyring
  readonly log: Log
  readonly metrics: Metrics
  readonly tracer: Tracer
  /** Unix milliseconds. */
  readonly clock: () => number
}

export interface Wired {
  readonly publicServer: Server
  readonly adminServer: Server
  /** Bytes of bodies in flight now. */
  readonly inFlight: () => number
  /** Fires first when the gate drains: long polls and streams end. */
  readonly stopping: AbortController
  /** Ends the rooms once no request is open: what they still hold is written. */
  close(drainMs: number): Promise<void>
}

export async function wire(parts: Parts): Promise<Wired> {
  const { config, store, log, metrics } = parts
  const redis =
    config.redisUrl === undefined
      ? undefined
      : await openRedis(config.redisUrl.reveal(), (fault) => log.emit('limits.redis-unavailable', { fault }))
  const rates = new Rates({
    classes: RATE_CLASSES,
    ingressRate: config.ingressRate,
    tenantRate: config.tenantRate,
    redis,
    prefix: 'gatehouse',
  })
  const dialler = openDialler({ config: egressConfig(config), resolve: resolveAll })
  const delivery = startDelivery(deliveryNeeds(parts, dialler))
  const ingress = wireIngress(parts, rates, dialler, delivery)
  const stopping = new AbortController()
  const door = new TokenDoor(store, parts.clock)
  const pruner = new Pruner(store, parts.clock, {
    pruned: (table, rows) => log.emit('store.pruned', { table, rows }),
    failed: (table, fault) => log.emit('store.prune-failed', { table, fault }),
  })
  const gauge = vitals(parts, () => ingress.bodies.held)
  const admin = makeAdmin({
    store,
    door,
    rates,
    audit: (tx, event) => append(tx, event, parts.clock()),
    rooms: rooms(parts, delivery, dialler, gauge),
    clock: parts.clock,
    requestId: newRequestId,
    stopping: stopping.signal,
    observer: {
      answered(call) {
        metrics.adminRequests.inc({ route: call.route, status: String(call.status) })
        const { requestId, method, route, status, milliseconds } = call
        log.emit('admin.requested', { requestId, method, path: route, status, ms: milliseconds })
      },
      failed: (route, requestId, fault) => log.emit('admin.failed', { route, requestId, fault }),
    },
  })
  const serveAdmin = getRequestListener(admin.fetch, { overrideGlobalObjects: false })
  return {
    publicServer: publicServer({
      ingress: (request, response) => ingress.receiver.answer(request, response),
      waitsToBeAsked: (request, ask) => ingress.bodies.waitsToBeAsked(request, ask),
      ready: async () => Object.values(await gauge.check()).every((state) => state === 'ok'),
    }),
    adminServer: createServer(
      { maxHeaderSize: 16 * 1024, headersTimeout: 10_000, requestTimeout: 60_000 },
      (request, response) => void serveAdmin(request, response),
    ),
    inFlight: () => ingress.bodies.held,
    stopping,
    async close(drainMs) {
      await delivery.close(drainMs)
      await Promise.all([dialler.close(), ingress.close(), door.close(), pruner.close()])
      redis?.disconnect()
    },
  }
}

function wireIngress(parts: Parts, rates: Rates, dialler: Dialler, delivery: Delivery) {
  const { config, store, keyring, log, metrics, clock, tracer } = parts
  const bodies = new RawBodies(config)
  const breaker = storeBreaker(parts)
  const refusals = new RefusalLog(store, clock, (fault) => log.emit('store.unavailable', { fault }))
  const uses = new CredentialUse(store, clock)
  const channels = new ChannelBook({
    store,
    ask: (read) => breaker.ask(read),
    source: sourceNamed,
    openCredential: async (tenant, id, sealed) => {
      const place = { table: 'credential', column: 'sealed', row: id, schema: 1 }
      return Secret.of((await keyring.unseal(tenant, place, sealed)).toString('utf8'))
    },
    unreadable: (channel, credential, fault) =>
      log.emit('ingress.credential-unreadable', { channel, credential, fault }),
  })
  const acceptor = new Acceptor({
    store: breaker.store,
    seal: (tenant, row, bytes) =>
      keyring.seal(tenant, { table: 'inbox', column: 'sealed', row, schema: 1 }, bytes),
    append: (tx, events) => appendAll(tx, events, clock()),
    fanOut,
    orderKey: (tenant, channel, conversation) => delivery.orderKey(tenant, channel, conversation),
    clock,
  })
  const vendorKeys = new VendorKeys({
    get: (url, options) => dialler.get(url, options),
    failed: (host, code, kept) => log.emit('ingress.vendor-keys-unread', { host, code, kept }),
    clock,
  })
  const visits = new Visits({ get: (url, options) => dialler.get(url, options), clock })
  const receiver = new Receiver({
    bodies,
    methods: new Set(SOURCES.flatMap((source) => source.methods)),
    find: (id) => channels.find(id),
    accept: (proved) =>
      tracer.span('ingress.accept', { source: proved.channel.source.name }, () =>
        breaker.wait(() => acceptor.accept(proved)),
      ),
    async admit(channel) {
      const taken = await rates.takeDelivery(channel)
      return taken.ok ? undefined : taken.retryAfterSeconds
    },
    noteRefusal: (refused) => refusals.note(refused),
    async tenantMismatch(channel, requestId) {
      metrics.tenantMismatch.inc({ channel: channel.id })
      const { id, tenant, source } = channel
      log.emit('ingress.tenant-mismatch', { requestId, channel: id, tenant, source: source.name })
      await breaker.store.write((tx) =>
        append(
          tx,
          {
            action: 'security.tenant-mismatch',
            tenant,
            actor: `source:${source.name}`,
            target: id,
            outcome: 'denied',
            requestId,
            details: { channel: id, source: source.name },
          },
          clock(),
        ),
      )
    },
    credentialUsed: (id) => uses.note(id),
    sync: new SyncAnswers({
      store: breaker.store,
      subscriptionOf: async (channel) => (await breaker.wait(() => delivery.ways.of(channel))).sync,
      lease: () => delivery.sync.lease(),
      call: (asked, take) => delivery.sync.call(asked, take),
      isOpen: (id, subscription) => delivery.sync.isOpen(id, subscription),
      originalOf: (proved) => acceptor.originalOf(proved),
      seal: (tenant, place, bytes) => keyring.seal(tenant, place, bytes),
      unseal: (tenant, place, blob) => keyring.unseal(tenant, place, blob),
      report: (source, outcome) => metrics.syncAnswers.inc({ source, outcome }),
      clock,
    }),
    publicUrl: config.publicUrl,
    vendorKey: (ref, channel) => vendorKeys.read(ref, channel),
    visit: (url) => visits.visit(url),
    ...ingressReport(log, metrics, bodies, breaker),
    newRequestId,
    clock,
  })
  return {
    bodies,
    receiver,
    async close() {
      bodies.close()
      breaker.close()
      await Promise.all([refusals.close(), uses.close()])
    },
  }
}

/** Says once that the store is away, and once that it is back. */
function storeBreaker({ store, log, metrics }: Parts): StoreBreaker {
  return new StoreBreaker({
    store,
    opened(fault) {
      metrics.storeBreakerOpen.set(1)
      log.emit('store.unavailable', { fault })
    },
    closed(awayMs) {
      metrics.storeBreakerOpen.set(0)
      log.emit('store.recovered', { awayMs })
    },
  })
}

function deliveryNeeds(parts: Parts, dialler: Dialler): Parameters<typeof startDelivery>[0] {
  const { store, keyring, clock, log, metrics } = parts
  return {
    store,
    unseal: (tenant, place, blob) => keyring.unseal(tenant, place, Buffer.from(blob)),
    unpack,
    seal: (tenant, place, bytes) => keyring.seal(tenant, place, bytes),
    post: (url, headers, body, signal) => dialler.post(url, headers, body, signal),
    call: (url, headers, body, options) => dialler.call(url, headers, body, options),
    append: (tx, events) => appendAll(tx, events, clock()),
    report: deliveryReport(log, metrics),
    clock,
    random: Math.random,
    randomBytes,
  }
}

function rooms(
  parts: Parts,
  delivery: Delivery,
  dialler: Dialler,
  gauge: Rooms['vitals'],
): Omit<Rooms, 'openapi'> {
  const { config, keyring } = parts
  const attachments = new Attachments({
    get: (url, options) => dialler.get(url, options),
    cap: config.attachmentCap,
  })
  return {
    random: randomBytes,
    keyring,
    sources: { named: sourceNamed, all: () => SOURCES },
    isPlaceholder,
    pushUrl: (url) => pushUrl(url, egressConfig(config)),
    async replay(tx, { tenant, delivery: id, subscription, now }) {
      const replayed = await replay(tx, tenant, id, subscription, now)
      return 'refused' in replayed ? [] : replayed.dispatches
    },
    previewReplay: (tenant, filter) => previewReplay(parts.store, tenant, filter),
    bodyOf: (content) => unpack(content).body,
    openAttachment: async ({ source, content, at, token, signal }) => {
      const attachment = unpack(content).facts.attachments?.[at]
      const hosts = sourceNamed(source)?.attachmentHosts ?? []
      return attachment === undefined
        ? undefined
        : await attachments.open({ attachment, hosts, token, signal })
    },
    issueToken: (tx, { now, ...ask }) => issueToken(tx, randomBytes, now, { ...ask, expiresAt: null }),
    revokeTokensOf: (tx, subscription) => revokeTokensOf(tx, subscription, parts.clock()),
    publicUrl: config.publicUrl,
    replayDays: config.replayDays,
    pull: delivery.pull,
    vitals: gauge,
  }
}

function egressConfig(config: Config) {
  // The settings have checked each already; one that would not parse opens nothing.
  const except = config.pushExcept.map((text) => parseCidr(text)).filter((cidr) => cidr !== undefined)
  return { except, allowLoopback: config.pushAllowLoopback }
}

/** On sockets of its own: the system's resolver has two threads for the whole process, and a dead name server holds one. */
const resolver = new Resolver({ timeout: 2_000, tries: 2 })

async function resolveAll(host: string): Promise<string[]> {
  if (host.includes('.') && !host.endsWith('.localhost')) {
    const found = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)])
    const addresses = found.flatMap((one) => (one.status === 'fulfilled' ? one.value : []))
    if (addresses.length > 0) return addresses
    // Only a name that DNS says it does not have may stand in the hosts file.
    if (!found.every(isAbsent)) return []
  }
  const answers = await lookup(host, { all: true, verbatim: true })
  return answers.map(({ address }) => address)
}

function isAbsent(answer: PromiseSettledResult<unknown>): boolean {
  if (answer.status === 'fulfilled') return false
  // A boundary: what c-ares rejects with has a code.
  return ['ENOTFOUND', 'ENODATA'].includes((answer.reason as { code?: string }).code ?? '')
}
