/**
 * The one way out: posts bytes to a URL of the outside. In: a URL, headers and a body. Out: the status that came back,
 * or the reason why none did; the answer's body is thrown away. Refuses a URL whose spelling, name or any one address is
 * not allowed, follows no redirect, and never looks a name up a second time for the same call.
 */
import { LRUCache } from 'lru-cache'
import { type Dispatcher, Pool, type buildConnector, errors } from 'undici'
import { type JudgedAddress, type Verdict, judge as judgeAddress } from './address.ts'
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
  | 'stopped'

export type Dialled =
  | { readonly answered: true; readonly status: number; readonly retryAfter: string | undefined }
  | { readonly answered: false; readonly code: DialRefusal; readonly reason: string }

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
    async close() {
      const open = [...pools.values()]
      await Promise.all(open.map((pool) => pool.destroy().catch(() => {})))
      pools.clear()
    },
  }
}

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
    const read = pushUrl(url, this.#deps.config)
    if (!read.ok) return refused('url-refused', read.problem)
    const deadline = AbortSignal.timeout(this.#limits.totalMs)
    const signal = stop === undefined ? deadline : AbortSignal.any([deadline, stop])
    try {
      const found = await this.#addresses(read.target, signal)
      return found instanceof Array ? await this.#tryEach(found, read.target, headers, body, signal) : found
    } catch (error) {
      return this.#explain(error, deadline, stop)
    }
  }

  /** Every address of the target, judged; one that is refused refuses them all, or an attacker would mix them. */
  async #addresses(target: Target, signal: AbortSignal): Promise<JudgedAddress[] | Dialled> {
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
  async #tryEach(
    addresses: readonly JudgedAddress[],
    target: Target,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array,
    signal: AbortSignal,
  ): Promise<Dialled> {
    let last: unknown
    for (const address of addresses.slice(0, this.#limits.addressesTried)) {
      try {
        return await this.#send(this.#pool(address, target), target, headers, body, signal)
      } catch (error) {
        if (!(error instanceof ConnectFailure) || signal.aborted) throw error
        last = error
      }
    }
    throw last
  }

  async #send(
    pool: Pool,
    { url }: Target,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array,
    signal: AbortSignal,
  ): Promise<Dialled> {
    const path = url.pathname + url.search
    const answer = await pool.request({ method: 'POST', path, headers, body, signal })
    const retryAfter = answer.headers['retry-after']
    await this.#discard(answer.body)
    // A header sent twice says nothing.
    return {
      answered: true,
      status: answer.statusCode,
      retryAfter: retryAfter instanceof Array ? undefined : retryAfter,
    }
  }

  /** The status decides; the rest is read only so that the connection can serve again. */
  async #discard(body: Dispatcher.ResponseData['body']): Promise<void> {
    const timer = setTimeout(() => body.destroy(), this.#limits.drainMs)
    body.on('error', () => {})
    try {
      let size = 0
      for await (const chunk of body) {
        size += (chunk as Uint8Array).length
        if (size > this.#limits.answerCap) break
      }
    } catch {
      // Cut short, by the receiver or by the timer: nothing is lost.
    } finally {
      clearTimeout(timer)
      body.destroy()
    }
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

  #explain(error: unknown, deadline: AbortSignal, stop: AbortSignal | undefined): Dialled {
    if (error instanceof ConnectFailure) return refused(error.code, 'no connection could be made')
    if (stop?.aborted === true) return refused('stopped', 'the gate is closing')
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

function refused(code: DialRefusal, reason: string): Dialled {
  return { answered: false, code, reason }
}
