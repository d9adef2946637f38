/**
 * The one way out: posts bytes to a URL of the outside, or gets some from one. In: a URL, headers, a body or a cap. Out:
 * the status that came back, of a get with its bytes, or the reason why none did. Refuses a URL whose spelling, name or
 * any one address is not allowed, follows no redirect, and never looks a name up a second time for the same call.
 */
import { LRUCache } from 'lru-cache'
import { Pool, type buildConnector, errors } from 'undici'
import { type JudgedAddress, type Verdict, judge as judgeAddress } from './address.ts'
import { AnswerRefused, collect, discard } from './answer.ts'
import { ConnectFailure, type ConnectFailureCode, connect } from './connect.ts'
import { type EgressConfig, type Target, exceptions, pushUrl } from './target.ts'

const LIMITS = {
  /** TCP and TLS together; a receiver that is there answers in a fraction of it. */
  connectMs: 5_000,
  /** From the request to the status line; webhook receivers are told to answer at once and work later. */
  headersMs: 10_000,
  /** Name, connection, request and status together. Under half a lease, so a try ends well before its lease. */
  totalMs: 15_000,
  /** Waiting for the rest of an answer only keeps the connection for the next call. */
  drainMs: 1_000,
  /** Bytes of an answer read before the connection is given up. */
  answerCap: 64 * 1_024,
  /** Addresses tried in turn while none can be connected to. */
  addressesTried: 3,
  /** Connections to one address of one host. */
  connections: 16,
  /** Hosts whose connections are kept open; the rest connect anew, which costs time and nothing else. */
  pools: 256,
  /** Answers of a name beyond which it is refused: each is judged. */
  answers: 64,
}

export type DialLimits = typeof LIMITS

export type DialRefusal =
  | ConnectFailureCode
  | 'url-refused'
  | 'resolve-failed'
  | 'address-denied'
  | 'timeout'
  | 'reset'
  | 'answer-malformed'
  | 'answer-too-large'
  | 'stopped'

export interface Undialled {
  readonly answered: false
  readonly code: DialRefusal
  readonly reason: string
}

export type Dialled =
  | { readonly answered: true; readonly status: number; readonly retryAfter: string | undefined }
  | Undialled

/** An answer that is read. As with a post the status counts even where the bytes after it cannot be had. */
export type Called =
  | {
      readonly answered: true
      readonly status: number
      readonly retryAfter: string | undefined
      readonly contentType: string | undefined
      /** Undefined where it was too large, encoded or cut short. */
      readonly body: Buffer | undefined
    }
  | Undialled

/** What a get brought. A status other than 200 brings no bytes. */
export type Fetched =
  | {
      readonly answered: true
      readonly status: number
      readonly contentType: string | undefined
      readonly body: Buffer
    }
  | Undialled

export interface GetOptions {
  /** Most bytes of the answer; one that declares or brings more is refused whole. */
  readonly cap: number
  readonly accept: string
  readonly authorization?: string | undefined
  /** Milliseconds for all of it, in place of the dialler's own. */
  readonly totalMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface DialDeps {
  readonly config: EgressConfig
  /** All addresses of a name, as the system resolves it. */
  readonly resolve: (host: string) => Promise<readonly string[]>
  readonly judge?: typeof judgeAddress
  readonly limits?: Partial<DialLimits>
  readonly ca?: string
}

export interface Dialler {
  readonly post: (
    url: string,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array,
    signal?: AbortSignal,
  ) => Promise<Dialled>
  /** As `post`, and reads the answer: up to `cap` bytes of it. */
  readonly call: (
    url: string,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array,
    options: { readonly cap: number; readonly signal?: AbortSignal | undefined },
  ) => Promise<Called>
  readonly get: (url: string, options: GetOptions) => Promise<Fetched>
  readonly close: () => Promise<void>
}

/** Opens the dialler; `close()` ends its connections. */
export function openDialler(deps: DialDeps): Dialler {
  const limits = { ...LIMITS, ...deps.limits }
  // An evicted pool finishes what it is doing; losing one costs a connection.
  const pools = new LRUCache<string, Pool>({
    max: limits.pools,
    dispose: (pool) => void pool.close().catch(() => {}),
  })
  const dial = new Dial(deps, limits, pools)
  return {
    post: (url, headers, body, signal) => dial.post(url, headers, body, signal),
    call: (url, headers, body, options) => dial.call(url, headers, body, options),
    get: (url, options) => dial.get(url, options),
    async close() {
      const open = [...pools.values()]
      await Promise.all(open.map((pool) => pool.destroy().catch(() => {})))
      pools.clear()
    },
  }
}

/** One request to one address; throws `ConnectFailure` when nothing of it was sent. */
type Send<T> = (pool: Pool, path: string, signal: AbortSignal) => Promise<T>

class Dial {
  readonly #deps: DialDeps
  readonly #limits: DialLimits
  readonly #pools: LRUCache<string, Pool>

  constructor(deps: DialDeps, limits: DialLimits, pools: LRUCache<string, Pool>) {
    this.#deps = deps
    this.#limits = limits
    this.#pools = pools
  }

  async post(
    url: string,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array,
    stop?: AbortSignal,
  ): Promise<Dialled> {
    return await this.#call(url, this.#limits.totalMs, stop, async (pool, path, signal) => {
      const answer = await pool.request({ method: 'POST', path, headers, body, signal })
      const retryAfter = once(answer.headers['retry-after'])
      await discard(answer.body, this.#limits.answerCap, this.#limits.drainMs)
      return { answered: true, status: answer.statusCode, retryAfter }
    })
  }

  async call(
    url: string,
    given: Readonly<Record<string, string>>,
    body: Uint8Array,
    { cap, signal: stop }: { readonly cap: number; readonly signal?: AbortSignal | undefined },
  ): Promise<Called> {
    const headers = { ...given, 'accept-encoding': 'identity' }
    return await this.#call(url, this.#limits.totalMs, stop, async (pool, path, signal) => {
      const answer = await pool.request({ method: 'POST', path, headers, body, signal })
      return {
        answered: true,
        status: answer.statusCode,
        retryAfter: once(answer.headers['retry-after']),
        contentType: once(answer.headers['content-type']),
        body: await collect(answer, cap).catch(() => undefined),
      }
    })
  }

  async get(url: string, options: GetOptions): Promise<Fetched> {
    const { cap, accept, authorization, totalMs = this.#limits.totalMs, signal: stop } = options
    // Nothing is decompressed, so that the cap holds for what is kept as for what is sent.
    const headers: Record<string, string> = { accept, 'accept-encoding': 'identity' }
    if (authorization !== undefined) headers['authorization'] = authorization
    return await this.#call(url, totalMs, stop, async (pool, path, signal) => {
      const answer = await pool.request({ method: 'GET', path, headers, signal })
      const { statusCode: status } = answer
      const contentType = once(answer.headers['content-type'])
      if (status === 200) return { answered: true, status, contentType, body: await collect(answer, cap) }
      await discard(answer.body, this.#limits.answerCap, this.#limits.drainMs)
      return { answered: true, status, contentType, body: Buffer.alloc(0) }
    })
  }

  /** The guarded path that every call takes: spelling, addresses, one of them, and a deadline over all of it. */
  async #call<T>(
    url: string,
    totalMs: number,
    stop: AbortSignal | undefined,
    send: Send<T>,
  ): Promise<T | Undialled> {
    const read = pushUrl(url, this.#deps.config)
    if (!read.ok) return refused('url-refused', read.problem)
    const deadline = AbortSignal.timeout(totalMs)
    const signal = stop === undefined ? deadline : AbortSignal.any([deadline, stop])
    try {
      const found = await this.#addresses(read.target, signal)
      return found instanceof Array ? await this.#tryEach(found, read.target, signal, send) : found
    } catch (error) {
      return this.#explain(error, deadline, stop)
    }
  }

  /** Every address of the target, judged; one that is refused refuses them all, or an attacker would mix them. */
  async #addresses(target: Target, signal: AbortSignal): Promise<JudgedAddress[] | Undialled> {
    const answers = target.isLiteral ? [target.host] : await this.#resolve(target.host, signal)
    if (answers === undefined || answers.length === 0)
      return refused('resolve-failed', 'the name has no address')
    if (answers.length > this.#limits.answers)
      return refused('address-denied', 'the name has too many addresses')
    const judged: JudgedAddress[] = []
    for (const answer of answers) {
      const verdict = this.#judge(answer)
      if (verdict.verdict !== 'allow') return refused('address-denied', `${verdict.rule}: ${verdict.reason}`)
      const problem = misplaced(verdict, target)
      if (problem !== undefined) return refused('address-denied', problem)
      judged.push(verdict.address)
    }
    return judged
  }

  /** A judge that fails has not allowed anything. */
  #judge(address: string): Verdict {
    try {
      return (this.#deps.judge ?? judgeAddress)(address, exceptions(this.#deps.config))
    } catch {
      return { verdict: 'deny', rule: 'decider-failed', reason: 'the address could not be judged' }
    }
  }

  async #resolve(host: string, signal: AbortSignal): Promise<readonly string[] | undefined> {
    signal.throwIfAborted()
    const aborted = Promise.withResolvers<never>()
    const abort = (): void => aborted.reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    try {
      return await Promise.race([this.#deps.resolve(host).catch(() => undefined), aborted.promise])
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  /** Goes to the next address only while no connection could be made: a request is never sent twice. */
  async #tryEach<T>(
    addresses: readonly JudgedAddress[],
    target: Target,
    signal: AbortSignal,
    send: Send<T>,
  ): Promise<T> {
    const path = target.url.pathname + target.url.search
    let last: unknown
    for (const address of addresses.slice(0, this.#limits.addressesTried)) {
      try {
        return await send(this.#pool(address, target), path, signal)
      } catch (error) {
        if (!(error instanceof ConnectFailure) || signal.aborted) throw error
        last = error
      }
    }
    throw last
  }

  /** Connections are kept by address as well as by host: one is used again only for an address judged just now. */
  #pool(address: JudgedAddress, target: Target): Pool {
    const key = `${target.url.origin} ${address.text}`
    const kept = this.#pools.get(key)
    if (kept !== undefined) return kept
    const pool = new Pool(target.url.origin, {
      connections: this.#limits.connections,
      pipelining: 1,
      headersTimeout: this.#limits.headersMs,
      bodyTimeout: this.#limits.totalMs,
      connect: (_options, done) => void this.#connect(address, target, done),
    })
    this.#pools.set(key, pool)
    return pool
  }

  async #connect(address: JudgedAddress, target: Target, done: buildConnector.Callback): Promise<void> {
    let socket
    try {
      socket = await connect(address, target, { timeoutMs: this.#limits.connectMs, ca: this.#deps.ca })
    } catch (error) {
      done(error instanceof Error ? error : new ConnectFailure('connect-failed'), null)
      return
    }
    done(null, socket)
  }

  #explain(error: unknown, deadline: AbortSignal, stop: AbortSignal | undefined): Undialled {
    if (error instanceof AnswerRefused) return refused(error.code, error.message)
    if (error instanceof ConnectFailure) return refused(error.code, 'no connection could be made')
    if (stop?.aborted === true) return refused('stopped', 'the caller gave up')
    if (deadline.aborted || error instanceof errors.HeadersTimeoutError) {
      return refused('timeout', 'no answer within the time')
    }
    if (error instanceof errors.HTTPParserError || error instanceof errors.HeadersOverflowError) {
      return refused('answer-malformed', 'the answer is not HTTP as it should be')
    }
    return refused('reset', 'the connection ended before an answer')
  }
}

/** Why an address, allowed as such, is not one for this target. */
function misplaced(
  { rule, address }: Extract<Verdict, { verdict: 'allow' }>,
  target: Target,
): string | undefined {
  if (!target.secure && !address.isLoopback) return 'http is for loopback only'
  if (target.needsException && rule !== 'excepted') return 'the name is local and the address is not'
  return undefined
}

/** A header sent twice says nothing. */
function once(header: string | string[] | undefined): string | undefined {
  return header instanceof Array ? undefined : header
}

function refused(code: DialRefusal, reason: string): Undialled {
  return { answered: false, code, reason }
}
