/**
 * A webhook comes in. In: a request on `/in/<channel>`. Out: exactly one answer, and a durable delivery when it says so.
 * Refuses everything else; `receive` below is the list of steps, each with what it answers when it says no:
 *
 *   1  method and content type     405 with Allow · 415
 *   2  declared length             411 · 413 (connection closed) · 503 when bodies in flight reach their cap
 *   3  raw bytes, bounded          413 · 408 below the speed floor · 503 (connection closed)
 *   4  channel                     404, after the work of one bad signature
 *   5  time window, signature      401, or 403 where the vendor demands it; one plain body, whatever the reason
 *   6  rate, paused                429 · 503, both with Retry-After
 *   7  parse, within limits        400; 415 when this source takes other types
 *   8  workspace                   403, counted, and a security event
 *   9  handshake, challenge        what the vendor wants; nothing is stored
 *   10 replay check and accept     503 when the store is away: nothing was stored
 *   11 answer                      what the vendor wants; a duplicate hears the same
 *
 * Parsing stands before the accept because most vendors put their delivery id into the body, and a delivery that names
 * another workspace must never enter the queue. Nothing is parsed or kept before step 5 has proved whose it is.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { RefusalCode } from '@gatehouse/contract/refusals.ts'
import { StoreUnavailable } from '../store/store.ts'
import type { Accepted, Proved } from './accept.ts'
import { solved } from './challenge.ts'
import { type Channel, liveAt } from './channel.ts'
import { accepted, refused, type Reply, send } from './reply.ts'
import type { RawBodies, RawRefusal } from './raw.ts'
import { read } from './read.ts'
import type { Refused } from './refusals.ts'
import type { Facts, KeyRef, Malformed, RawRequest } from './source.ts'
import { VendorUnavailable } from './vendor-unavailable.ts'
import type { SyncAnswers } from './sync.ts'
import { decoy, type LiveCredential, type ProofRefusal, VerifiedDelivery } from './verify.ts'

/** `/in/` and an id as `newId` makes them; anything else names no channel. */
const PATH = /^\/in\/([a-z0-9_]{1,64})(?:\?.*)?$/s
/** Every type that some source takes. What a source does not take of these it refuses in step 7. */
const CONTENT_TYPES: ReadonlySet<string> = new Set([
  'application/json',
  'application/x-www-form-urlencoded',
  'application/octet-stream',
  'text/plain',
])
const RETRY_SECONDS = 5
const NO_BODY = Buffer.alloc(0)
/** A paused channel asks its vendor to come back later. */
const PAUSED_SECONDS = 300

/** What happened to a request, for counters and logs. */
export interface Outcome {
  readonly outcome: 'accepted' | 'duplicate' | 'handshake' | 'refused' | 'failed'
  readonly status: number
  readonly requestId: string
  readonly source: string | undefined
  readonly channel: string | undefined
  readonly reason: string | undefined
  readonly delivery: string | undefined
  readonly kind: string | undefined
  readonly bytes: number
  readonly ms: number
}

export interface ReceiveNeeds {
  readonly bodies: RawBodies
  readonly methods: ReadonlySet<string>
  readonly find: (id: string) => Promise<Channel | undefined>
  readonly accept: (proved: Proved) => Promise<Accepted>
  /** Whether the channel may take one more now; else the seconds to wait. */
  readonly admit: (channel: Channel) => Promise<number | undefined>
  readonly noteRefusal: (refused: Refused) => void
  readonly tenantMismatch: (channel: Channel, requestId: string) => Promise<void>
  readonly credentialUsed: (credentialId: string) => void
  readonly report: (outcome: Outcome) => void
  readonly failed: (requestId: string, channel: string | undefined, error: unknown) => void
  /** A key of the vendor's own, read through the guarded dialler and kept; throws when it cannot be had now. */
  readonly vendorKey: (ref: KeyRef, channel: string) => Promise<LiveCredential | undefined>
  /** Fetches a URL that the vendor wants fetched, through the guarded dialler; throws when it could not. */
  readonly visit: (url: string) => Promise<void>
  /** Answers of apps to vendors that wait for them. */
  readonly sync?: SyncAnswers
  /** Where the internet reaches the public listener, when the operator has said so. */
  readonly publicUrl: string | undefined
  readonly newRequestId: () => string
  readonly clock: () => number
}

/** What is known of a request so far. */
interface Exchange {
  requestId: string
  startedAt: number
  bytes: number
  channel?: Channel
  reason?: string
  detail?: string
  accepted?: Accepted
  facts?: Facts
}

export class Receiver {
  readonly #needs: ReceiveNeeds

  constructor(needs: ReceiveNeeds) {
    this.#needs = needs
  }

  /** Answers one request; never throws, never leaves it open. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { bodies, clock, newRequestId } = this.#needs
    const exchange: Exchange = { requestId: '', startedAt: 0, bytes: 0 }
    let reply: Reply
    try {
      exchange.requestId = newRequestId()
      exchange.startedAt = clock()
      reply = await this.#receive(request, exchange)
    } catch (error) {
      reply = this.#failed(exchange, error)
    }
    bodies.release(exchange.bytes)
    send(request, response, reply, exchange.requestId)
    try {
      await this.#noteEarly(request, exchange)
      this.#report(exchange, reply)
    } catch {
      // The answer is out. That it cannot be told of must not end the process.
    }
  }

  /** Refusals from before the channel was looked up are its operator's business too; the answer is out by now. */
  async #noteEarly(request: IncomingMessage, exchange: Exchange): Promise<void> {
    const { channel: known, reason, requestId } = exchange
    if (known !== undefined || reason === undefined || reason === 'no-such-channel') return
    try {
      const channel = await this.#needs.find(channelId(request.url ?? ''))
      if (channel === undefined) return
      exchange.channel = channel
      this.#needs.noteRefusal({ tenant: channel.tenant, channel: channel.id, reason, detail: '', requestId })
    } catch (error) {
      this.#needs.failed(requestId, undefined, error)
    }
  }

  /** The list of steps. */
  async #receive(request: IncomingMessage, exchange: Exchange): Promise<Reply> {
    const barred = this.#methodAndType(request)
    if (barred !== undefined) return this.#refuse(exchange, barred, barred.code)

    const body = request.method === 'GET' ? NO_BODY : await this.#needs.bodies.read(request)
    if (typeof body === 'string') return this.#refuse(exchange, refusedRaw(body), body)
    exchange.bytes = body.length
    const raw = rawRequest(request, body, this.#needs.publicUrl)

    const channel = await this.#needs.find(channelId(raw.target))
    if (channel === undefined) {
      decoy(raw)
      return this.#refuse(exchange, refused('no-such-channel'), 'no-such-channel')
    }
    exchange.channel = channel

    const delivery = await this.#prove(channel, raw)
    if (!(delivery instanceof VerifiedDelivery)) {
      // Refusals that needed no MAC cost one all the same.
      if (delivery.refused !== 'signature') decoy(raw)
      return this.#unproved(exchange, channel, delivery)
    }
    this.#needs.credentialUsed(delivery.credentialId)

    const wait = await this.#needs.admit(channel)
    if (wait !== undefined)
      return this.#refuse(exchange, refused('too-many', { retryAfter: wait }), 'too-many')
    if (channel.paused) {
      return this.#refuse(exchange, refused('unavailable', { retryAfter: PAUSED_SECONDS }), 'paused')
    }

    if (!(channel.source.methods as readonly string[]).includes(raw.method)) {
      return this.#refuse(
        exchange,
        refused('method-not-allowed', { allow: channel.source.methods.join(', ') }),
        'method-not-allowed',
      )
    }
    if (!takes(channel, raw)) return this.#refuse(exchange, refused('content-type'), 'content-type')
    if (body.length > channel.source.bodyCap) return this.#refuse(exchange, refused('too-large'), 'too-large')
    const facts = read(delivery, channel.source, channel.settings)
    if ('malformed' in facts) return this.#misread(exchange, channel, facts)
    exchange.facts = facts

    if (!boundTo(channel, facts)) {
      await this.#needs.tenantMismatch(channel, exchange.requestId)
      return this.#refuse(exchange, refused('other-workspace'), 'other-workspace')
    }
    if (facts.visit !== undefined) await this.#needs.visit(facts.visit)
    if (facts.challenge !== undefined) return accepted(solved(channel.credentials, delivery, facts.challenge))
    if (facts.handshake !== undefined) return accepted(facts.handshake)

    // Made before the accept: once the delivery is durable, nothing is left that could fail.
    const taken = accepted(facts.ack ?? channel.source.ack)
    const plan = await this.#needs.sync?.plan(channel, facts)
    const proved = { channel, delivery, facts, requestId: exchange.requestId, lease: plan?.lease }
    exchange.accepted = await this.#needs.accept(proved)
    if (plan === undefined || this.#needs.sync === undefined) return taken
    return accepted(await this.#needs.sync.answer(plan, proved, exchange.accepted, exchange.startedAt))
  }

  #methodAndType(request: IncomingMessage): Reply | undefined {
    if (!this.#needs.methods.has(request.method ?? '')) {
      return refused('method-not-allowed', { allow: [...this.#needs.methods].join(', '), close: true })
    }
    const type = mediaType(request.headers['content-type'])
    return type === undefined || CONTENT_TYPES.has(type)
      ? undefined
      : refused('content-type', { close: true })
  }

  async #prove(channel: Channel, raw: RawRequest): Promise<VerifiedDelivery | ProofRefusal> {
    const now = this.#needs.clock()
    const { source, settings } = channel
    const ref = keyRefOf(channel, raw)
    if (ref !== undefined && 'refused' in ref) return ref
    if (ref !== undefined) {
      // Form and time first: what cannot pass must not make us fetch a key.
      const early = VerifiedDelivery.verify({ source, settings, credentials: [] }, raw, now / 1_000)
      if (!(early instanceof VerifiedDelivery) && early.refused !== 'no-credential') return early
    }
    const fetched = ref === undefined ? undefined : await this.#needs.vendorKey(ref, channel.id)
    const credentials = fetched === undefined ? liveAt(channel, now) : [...liveAt(channel, now), fetched]
    return VerifiedDelivery.verify({ source, settings, credentials }, raw, now / 1_000)
  }

  #unproved(exchange: Exchange, channel: Channel, refusal: ProofRefusal): Reply {
    return this.#refuse(exchange, refused(unprovedCode(channel)), refusal.refused, detailOf(refusal))
  }

  #misread(exchange: Exchange, channel: Channel, { malformed, contradicted }: Malformed): Reply {
    const code = contradicted === true ? unprovedCode(channel) : 'malformed'
    return this.#refuse(exchange, refused(code), contradicted === true ? 'contradicted' : code, malformed)
  }

  #refuse(exchange: Exchange, reply: Reply, reason: string, detail = ''): Reply {
    exchange.reason = reason
    const { channel, requestId } = exchange
    if (channel !== undefined) {
      this.#needs.noteRefusal({ tenant: channel.tenant, channel: channel.id, reason, detail, requestId })
    }
    return reply
  }

  #failed(exchange: Exchange, error: unknown): Reply {
    // The vendor repeats after a 503; whatever failed, nothing was acknowledged.
    if (error instanceof VendorUnavailable) {
      const reply = refused('unavailable', { retryAfter: RETRY_SECONDS })
      return this.#refuse(exchange, reply, 'vendor-unavailable', error.message)
    }
    exchange.reason = error instanceof StoreUnavailable ? 'store-unavailable' : 'failed'
    try {
      this.#needs.failed(exchange.requestId, exchange.channel?.id, error)
    } catch {
      // It is answered all the same.
    }
    return refused('unavailable', { retryAfter: RETRY_SECONDS })
  }

  #report(exchange: Exchange, reply: Reply): void {
    const { requestId, startedAt, channel, reason, facts, bytes } = exchange
    this.#needs.report({
      outcome: outcomeOf(exchange),
      status: reply.status,
      requestId,
      source: channel?.source.name,
      channel: channel?.id,
      reason,
      delivery: exchange.accepted?.id,
      kind: facts?.kind,
      bytes,
      ms: this.#needs.clock() - startedAt,
    })
  }
}

function unprovedCode({ source }: Channel): RefusalCode {
  return source.refusalStatus === 403 ? 'vendor-forbidden' : 'not-proved'
}

/** A source that throws over bytes nobody has proved has refused them. */
function keyRefOf({ source, settings }: Channel, raw: RawRequest): KeyRef | ProofRefusal | undefined {
  try {
    return source.keyRef?.(raw, settings)
  } catch {
    return { refused: 'decider-failed' }
  }
}

/** The id in the path; '' names no channel. */
function channelId(target: string): string {
  return PATH.exec(target)?.[1] ?? ''
}

function outcomeOf({ reason, accepted: taken }: Exchange): Outcome['outcome'] {
  if (reason === 'failed' || reason === 'store-unavailable' || reason === 'vendor-unavailable')
    return 'failed'
  if (reason !== undefined) return 'refused'
  if (taken === undefined) return 'handshake'
  return taken.fresh ? 'accepted' : 'duplicate'
}

const RAW_CODES: Readonly<Record<RawRefusal, RefusalCode>> = {
  'length-required': 'length-required',
  'too-large': 'too-large',
  'slow-body': 'slow-body',
  unavailable: 'unavailable',
  gone: 'bad-request',
}

function refusedRaw(refusal: RawRefusal): Reply {
  const retry = refusal === 'unavailable' ? { retryAfter: RETRY_SECONDS } : {}
  return refused(RAW_CODES[refusal], { ...retry, close: true })
}

/** Every header that came once. One that came twice counts as not sent: which of the two is meant, no one can say. */
function rawRequest(request: IncomingMessage, body: Buffer, publicUrl: string | undefined): RawRequest {
  const headers = new Map<string, string>()
  const twice = new Set<string>()
  const { rawHeaders } = request
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? '').toLowerCase()
    if (headers.has(name)) twice.add(name)
    headers.set(name, rawHeaders[i + 1] ?? '')
  }
  for (const name of twice) headers.delete(name)
  const target = request.url ?? ''
  const called = publicUrl === undefined ? undefined : publicUrl.replace(/\/$/, '') + target
  return { method: request.method ?? '', target, headers, body, publicUrl: called }
}

/** The type without its parameters; undefined when none is named. */
function mediaType(header: string | undefined): string | undefined {
  return header?.split(';', 1)[0]?.trim().toLowerCase()
}

function takes(channel: Channel, raw: RawRequest): boolean {
  const type = mediaType(raw.headers.get('content-type'))
  const { contentTypes } = channel.source
  return type === undefined || contentTypes === undefined || contentTypes.includes(type)
}

/** A channel bound to workspaces takes only deliveries whose every named workspace is one of them. */
function boundTo(channel: Channel, { workspaces, handshake, challenge }: Facts): boolean {
  const bound = channel.workspaces
  if (bound === undefined) return true
  // A handshake speaks of no workspace yet, and stores nothing.
  const asks = handshake !== undefined || challenge !== undefined
  if (workspaces.length === 0) return asks || channel.source.namesWorkspace !== 'always'
  return workspaces.every((workspace) => bound.includes(workspace))
}

function detailOf(refusal: ProofRefusal): string {
  switch (refusal.refused) {
    case 'missing-header':
    case 'malformed-header':
      return refusal.header
    case 'timestamp':
      return `age ${Math.round(refusal.ageSeconds)} s`
    case 'signature':
      return `credentials tried: ${refusal.tried}`
    case 'no-credential':
    case 'decider-failed':
    case 'issuer':
    case 'audience':
    case 'cert-url':
      return ''
  }
}
