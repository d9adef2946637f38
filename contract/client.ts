/**
 * The typed client of the admin API: one method an operation, over `fetch`. In: plain values. Out: the answer, read
 * through its schema. Refuses by throwing: `ApiRefusal` with the gate's problem, `Unreachable` when no gate answered.
 * Every change carries an Idempotency-Key, so calling `again` after a lost answer cannot do it twice.
 */
import { z } from 'zod'
import * as api from './api.ts'

/** Longer than the longest long poll, so that only a gate that is gone runs into it. */
const ANSWER_MS = 60_000

export interface ClientOptions {
  /** Where the admin listener is, such as `http://127.0.0.1:8081`. */
  readonly url: string
  readonly token?: string
  readonly fetch?: typeof fetch
}

export interface Page {
  readonly cursor?: string
  readonly limit?: number
}

/** How one change is named, for callers that repeat it themselves. */
export interface Once {
  readonly idempotencyKey?: string
}

type ProblemBody = z.infer<typeof api.Problem>
type Query = Readonly<Record<string, string | number | undefined>>

/** The gate refused. */
export class ApiRefusal extends Error {
  override readonly name = 'ApiRefusal'
  readonly problem: ProblemBody
  /** Seconds after which trying again may help. */
  readonly retryAfterSeconds: number | undefined

  constructor(problem: ProblemBody, retryAfterSeconds?: number) {
    super(problem.detail ?? problem.title)
    this.problem = problem
    this.retryAfterSeconds = retryAfterSeconds
  }
}

/** No gate answered, or something that is no gate. What was asked may or may not have happened. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable'
}

export class Client {
  readonly #base: string
  readonly #token: string | undefined
  readonly #fetch: typeof fetch

  constructor(options: ClientOptions) {
    this.#base = options.url.replace(/\/+$/, '')
    this.#token = options.token
    this.#fetch = options.fetch ?? fetch
  }

  readHealth = () => this.#read('/healthz', api.Health)
  readReadiness = () => this.#read('/readyz', api.Readiness)
  readMetrics = async () => await (await this.#send('GET', '/metrics')).text()
  readOpenApi = () => this.#read('/openapi.json', api.OpenApiDocument)
  claim = (body: z.input<typeof api.ClaimRequest>) => this.#post('/v1/claim', body, api.Claimed)
  listSources = () => this.#read('/v1/sources', api.SourceList)
  whoAmI = () => this.#read('/v1/whoami', api.Identity)

  createToken = (body: z.input<typeof api.NewToken>, once?: Once) =>
    this.#change('POST', '/v1/tokens', body, api.TokenMade, once)
  listTokens = (page: Page = {}) => this.#read('/v1/tokens', api.TokenList, page)
  revokeToken = (token: string, body: z.input<typeof api.OptionalReason> = {}, once?: Once) =>
    this.#change('POST', at`/v1/tokens/${token}/revoke`, body, api.Token, once)

  createTenant = (body: z.input<typeof api.NewTenant>, once?: Once) =>
    this.#change('POST', '/v1/tenants', body, api.Tenant, once)
  listTenants = (page: Page = {}) => this.#read('/v1/tenants', api.TenantList, page)
  readTenant = (tenant: string) => this.#read(at`/v1/tenants/${tenant}`, api.Tenant)

  createChannel = (tenant: string, body: z.input<typeof api.NewChannel>, once?: Once) =>
    this.#change('POST', at`/v1/tenants/${tenant}/channels`, body, api.Channel, once)
  listChannels = (tenant: string, page: Page = {}) =>
    this.#read(at`/v1/tenants/${tenant}/channels`, api.ChannelList, page)
  readChannel = (tenant: string, channel: string) =>
    this.#read(at`/v1/tenants/${tenant}/channels/${channel}`, api.Channel)
  changeChannel = (tenant: string, channel: string, body: z.input<typeof api.ChannelChange>, once?: Once) =>
    this.#change('PATCH', at`/v1/tenants/${tenant}/channels/${channel}`, body, api.Channel, once)
  listRefusals = (tenant: string, channel: string, page: Page = {}) =>
    this.#read(at`/v1/tenants/${tenant}/channels/${channel}/refusals`, api.RefusalList, page)

  createCredential = (
    tenant: string,
    channel: string,
    body: z.input<typeof api.NewCredential> = {},
    once?: Once,
  ) =>
    this.#change(
      'POST',
      at`/v1/tenants/${tenant}/channels/${channel}/credentials`,
      body,
      api.CredentialMade,
      once,
    )
  listCredentials = (tenant: string, channel: string, page: Page = {}) =>
    this.#read(at`/v1/tenants/${tenant}/channels/${channel}/credentials`, api.CredentialList, page)
  rotateCredential = (
    tenant: string,
    channel: string,
    credential: string,
    body: z.input<typeof api.Rotation> = {},
    once?: Once,
  ) => {
    const path = at`/v1/tenants/${tenant}/channels/${channel}/credentials/${credential}/rotate`
    return this.#change('POST', path, body, api.CredentialRotated, once)
  }
  revokeCredential = (
    tenant: string,
    channel: string,
    credential: string,
    body: z.input<typeof api.Reason>,
    once?: Once,
  ) => {
    const path = at`/v1/tenants/${tenant}/channels/${channel}/credentials/${credential}/revoke`
    return this.#change('POST', path, body, api.Credential, once)
  }

  createSubscription = (tenant: string, body: z.input<typeof api.NewSubscription>, once?: Once) =>
    this.#change('POST', at`/v1/tenants/${tenant}/subscriptions`, body, api.SubscriptionMade, once)
  listSubscriptions = (tenant: string, page: Page = {}) =>
    this.#read(at`/v1/tenants/${tenant}/subscriptions`, api.SubscriptionList, page)
  readSubscription = (tenant: string, subscription: string) =>
    this.#read(at`/v1/tenants/${tenant}/subscriptions/${subscription}`, api.Subscription)
  changeSubscription = (
    tenant: string,
    subscription: string,
    body: z.input<typeof api.SubscriptionChange>,
    once?: Once,
  ) => {
    const path = at`/v1/tenants/${tenant}/subscriptions/${subscription}`
    return this.#change('PATCH', path, body, api.Subscription, once)
  }
  removeSubscription = (tenant: string, subscription: string, once?: Once) => {
    const path = at`/v1/tenants/${tenant}/subscriptions/${subscription}`
    return this.#change('DELETE', path, undefined, api.Removed, once)
  }

  listDeliveries = (
    tenant: string,
    query: Page & {
      channel?: string
      subscription?: string
      state?: 'pending' | 'leased' | 'done' | 'dead'
    } = {},
  ) => this.#read(at`/v1/tenants/${tenant}/deliveries`, api.DeliveryList, query)
  readDelivery = (tenant: string, delivery: string) =>
    this.#read(at`/v1/tenants/${tenant}/deliveries/${delivery}`, api.Delivery)
  /** The verified raw body, byte for byte. Needs the scope `delivery:body`. */
  readDeliveryBody = async (tenant: string, delivery: string) => {
    const answer = await this.#send('GET', at`/v1/tenants/${tenant}/deliveries/${delivery}/body`)
    return new Uint8Array(await answer.arrayBuffer())
  }
  /** A file that the delivery refers to, by its place in the envelope's list. Needs the scope `delivery:body`. */
  readDeliveryAttachment = async (tenant: string, delivery: string, attachment: number) => {
    const path = at`/v1/tenants/${tenant}/deliveries/${delivery}/attachments/${String(attachment)}`
    const answer = await this.#send('GET', path)
    return new Uint8Array(await answer.arrayBuffer())
  }
  replayDelivery = (tenant: string, delivery: string, body: z.input<typeof api.ReplayRequest>, once?: Once) =>
    this.#change('POST', at`/v1/tenants/${tenant}/deliveries/${delivery}/replay`, body, api.Replayed, once)

  /** Makes what waits, and what died, due now. */
  retryDelivery = (tenant: string, delivery: string, body: z.input<typeof api.RetryRequest>, once?: Once) =>
    this.#change('POST', at`/v1/tenants/${tenant}/deliveries/${delivery}/retry`, body, api.Retried, once)

  /** What a replay would send now. */
  previewReplay = (tenant: string, filter: z.input<typeof api.ReplayFilter> = {}) =>
    this.#read(at`/v1/tenants/${tenant}/replay-preview`, api.ReplayPreview, filter)
  startReplay = (tenant: string, body: z.input<typeof api.NewReplay>, once?: Once) =>
    this.#change('POST', at`/v1/tenants/${tenant}/replays`, body, api.Replay, once)
  listReplays = (tenant: string, page: Page = {}) =>
    this.#read(at`/v1/tenants/${tenant}/replays`, api.ReplayList, page)
  readReplay = (tenant: string, replay: string) =>
    this.#read(at`/v1/tenants/${tenant}/replays/${replay}`, api.Replay)
  cancelReplay = (tenant: string, replay: string, body: z.input<typeof api.Reason>, once?: Once) =>
    this.#change('POST', at`/v1/tenants/${tenant}/replays/${replay}/cancel`, body, api.Replay, once)

  listTenantEvents = (tenant: string, query: Page & { action?: string } = {}) =>
    this.#read(at`/v1/tenants/${tenant}/events`, api.EventList, query)
  listEvents = (query: Page & { action?: string } = {}) => this.#read('/v1/events', api.EventList, query)

  pullLease = (body: z.input<typeof api.LeaseRequest> = {}, signal?: AbortSignal) =>
    this.#post('/v1/pull/lease', body, api.LeasedList, signal)
  pullAck = (body: z.input<typeof api.AckRequest>) => this.#post('/v1/pull/ack', body, api.Acked)
  pullNack = (body: z.input<typeof api.NackRequest>) => this.#post('/v1/pull/nack', body, api.Nacked)
  /** Deliveries as they come, until the gate or `signal` ends it; then call again. */
  async *pullStream(signal?: AbortSignal): AsyncGenerator<z.infer<typeof api.Leased>> {
    const answer = await this.#send('GET', '/v1/pull/stream', { endless: true, ...(signal && { signal }) })
    for await (const event of eventsOf(answer)) {
      if (event.name === 'delivery') yield api.Leased.parse(JSON.parse(event.data))
    }
  }

  async #read<T>(path: string, schema: z.ZodType<T>, query: object = {}): Promise<T> {
    const answer = await this.#send('GET', path + search(query as Query))
    return await readJson(answer, schema)
  }

  async #post<T>(path: string, body: unknown, schema: z.ZodType<T>, signal?: AbortSignal): Promise<T> {
    return await readJson(await this.#send('POST', path, { body, ...(signal && { signal }) }), schema)
  }

  async #change<T>(
    method: 'POST' | 'PATCH' | 'DELETE',
    path: string,
    body: unknown,
    schema: z.ZodType<T>,
    once: Once = {},
  ): Promise<T> {
    const key = once.idempotencyKey ?? globalThis.crypto.randomUUID()
    return await readJson(await this.#send(method, path, { body, key }), schema)
  }

  async #send(method: string, path: string, extra: Extra = {}): Promise<Response> {
    const headers = new Headers({ accept: 'application/json' })
    if (this.#token !== undefined) headers.set('authorization', `Bearer ${this.#token}`)
    if (extra.key !== undefined) headers.set('idempotency-key', extra.key)
    if (extra.body !== undefined) headers.set('content-type', 'application/json')
    const answer = await this.#reach(path, {
      method,
      headers,
      // A token must not follow a redirect to somewhere else.
      redirect: 'error',
      signal: signalOf(extra),
      ...(extra.body !== undefined && { body: JSON.stringify(extra.body) }),
    })
    if (!answer.ok) throw await refusalOf(answer)
    return answer
  }

  async #reach(path: string, init: RequestInit): Promise<Response> {
    try {
      return await this.#fetch(this.#base + path, init)
    } catch (cause) {
      throw new Unreachable(`reach the gate at ${this.#base}: no answer`, { cause })
    }
  }
}

interface Extra {
  readonly body?: unknown
  readonly key?: string
  readonly signal?: AbortSignal
  readonly endless?: boolean
}

function signalOf(extra: Extra): AbortSignal | null {
  if (extra.endless === true) return extra.signal ?? null
  const limit = AbortSignal.timeout(ANSWER_MS)
  return extra.signal === undefined ? limit : AbortSignal.any([limit, extra.signal])
}

/** A path whose parts cannot break out of their place. */
function at(parts: TemplateStringsArray, ...values: readonly string[]): string {
  return String.raw({ raw: parts }, ...values.map(encodeURIComponent))
}

function search(query: Query): string {
  const given = Object.entries(query).filter((entry) => entry[1] !== undefined)
  const text = new URLSearchParams(given.map(([key, value]) => [key, String(value)])).toString()
  return text === '' ? '' : `?${text}`
}

async function readJson<T>(answer: Response, schema: z.ZodType<T>): Promise<T> {
  const read = schema.safeParse(await jsonOf(answer))
  if (!read.success) throw new Unreachable('read the answer: it is not what this version of the API says')
  return read.data
}

async function refusalOf(answer: Response): Promise<ApiRefusal | Unreachable> {
  const read = api.Problem.safeParse(await jsonOf(answer))
  if (!read.success)
    return new Unreachable(`read the refusal: status ${answer.status} without a problem; is this a gate?`)
  const wait = Number(answer.headers.get('retry-after') ?? Number.NaN)
  return new ApiRefusal(read.data, Number.isFinite(wait) ? wait : undefined)
}

async function jsonOf(answer: Response): Promise<unknown> {
  try {
    return await answer.json()
  } catch {
    return undefined
  }
}

interface ServerSentEvent {
  readonly name: string
  readonly data: string
}

/** Server-sent events as the gate writes them: `event` and `data` lines, a blank line after each. */
async function* eventsOf(answer: Response): AsyncGenerator<ServerSentEvent> {
  if (answer.body === null) return
  let rest = ''
  for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + piece).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) yield eventOf(block)
  }
}

function eventOf(block: string): ServerSentEvent {
  const field = (name: string) =>
    block
      .split('\n')
      .filter((text) => text.startsWith(`${name}:`))
      .map((text) => text.slice(name.length + 1).replace(/^ /, ''))
      .join('\n')
  return { name: field('event'), data: field('data') }
}
