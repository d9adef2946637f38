/**
 * Serves one row: the steps that every call of the admin API takes, in one order. In: a row and a request. Out: the
 * answer. Refuses at the first step that fails, and then nothing has happened: a change, its audit entry and the answer
 * kept under its idempotency key are one transaction.
 *
 *   bearer → rate → tenant guard → kind and scope → body cap → strict parse → idempotency → verb and audit → answer
 */
import type { Context } from 'hono'
import { type Store, StoreUnavailable, type Tx } from '../store/store.ts'
import type { LiveToken } from '../tokens/verify.ts'
import { admit, admitAnyone, type Admitted, type Denied, type Door, type RateGate } from './admit.ts'
import { once, openEarlier, pruneIdempotency, type Seals, warmKey } from './idempotency.ts'
import { codeOf } from './problem.ts'
import { parse, parseBody, parseQuery, readBody, type ReadBody } from './read-request.ts'
import { isRefusal, type Refused, TakenBack } from './refused.ts'
import { answered, answerText, jsonResponse } from './respond.ts'
import type { ApiAction, Call, Details, Done, Known, Row } from './route.ts'
import { streamed } from './stream.ts'

/** Keys are made by clients; as long as any of their makers makes them. */
const KEY_FORM = /^[\x21-\x7e]{1,255}$/
/** Once a minute is often enough to forget keys of yesterday. */
const PRUNE_MS = 60_000
/** A call that waited longer than a token is remembered shows its token again. */
const WAITED_MS = 1_000

/** What the audit room is told. */
export interface ApiEvent {
  readonly action: ApiAction
  /** '' for the platform. */
  readonly tenant: string
  readonly actor: string
  readonly target: string
  readonly outcome: 'allowed' | 'denied'
  readonly requestId: string
  readonly details: Details
}

export interface ServeDeps<M> {
  readonly store: Store
  readonly door: Door
  readonly rates: RateGate
  readonly seals: Seals
  /** Appends inside the transaction; what it throws takes the change back. */
  readonly audit: (tx: Tx, event: ApiEvent) => Promise<number>
  readonly rooms: M
  readonly clock: () => number
  /** Fires when the gate drains: long polls and streams end. */
  readonly stopping: AbortSignal
  readonly failed: (route: string, requestId: string, error: unknown) => void
}

interface Asked {
  readonly context: Context
  readonly request: Request
  readonly requestId: string
  readonly at: unknown
  readonly query: unknown
  readonly body: unknown
  readonly bytes: Buffer
}

export class Server<M> {
  readonly #deps: ServeDeps<M>
  #nextPrune = 0

  constructor(deps: ServeDeps<M>) {
    this.#deps = deps
  }

  /** Never rejects: what goes wrong inside is logged under the request's id and answered as a refusal. */
  async serve(route: string, row: Row<M>, context: Context, requestId: string): Promise<Response | Refused> {
    try {
      return await this.#steps(route, row, context, requestId)
    } catch (error) {
      return this.#explain(route, requestId, error)
    }
  }

  async #steps(route: string, row: Row<M>, context: Context, requestId: string): Promise<Response | Refused> {
    const request = context.req.raw
    const at = parse(row.params, context.req.param())
    const named = isRefusal(at) ? undefined : (at.value as { tenant?: string }).tenant // its schema says text
    const admitted = await this.#admit(row, request, named)
    if (isDenied(admitted)) {
      if (admitted.caller !== undefined)
        await this.#noteDenied(route, requestId, admitted.refusal, admitted.caller)
      return admitted.refusal
    }
    // An id that cannot be one names nothing.
    if (isRefusal(at)) return { refused: 'no-route' }
    const read = await readAll(row, request)
    if (isRefusal(read)) return read
    const asked: Asked = { context, request, requestId, at: at.value, ...read }
    return await this.#run(route, row, asked, admitted)
  }

  async #admit(
    row: Row<M>,
    request: Request,
    named: string | undefined,
  ): Promise<Admitted | Denied | undefined> {
    const { door, rates, store } = this.#deps
    if (row.who === 'anyone') {
      const refusal = await admitAnyone(rates, row)
      return refusal && { refusal }
    }
    return await admit({ door, rates, db: store.read }, row, request.headers.get('authorization'), named)
  }

  async #run(
    route: string,
    row: Row<M>,
    asked: Asked,
    admitted: Admitted | undefined,
  ): Promise<Response | Refused> {
    const { rooms, store } = this.#deps
    const call = this.#call(asked, admitted)
    switch (row.kind) {
      case 'open':
        return answer(row, await row.run(rooms, { ...call, body: null }))
      case 'claim':
        return await this.#claim(route, row, call)
      case 'read':
        return answer(row, await row.run(rooms, { ...known(call, admitted), body: null }, store.read))
      case 'reveal':
        return await this.#reveal(row, known(call, admitted))
      case 'change':
        return await this.#change(row, known(call, admitted), asked)
      case 'pull':
        return await this.#pull(route, row, known(call, admitted), asked)
    }
  }

  #call(asked: Asked, admitted: Admitted | undefined): Call<unknown, unknown, unknown> {
    return {
      at: asked.at,
      query: asked.query,
      body: asked.body,
      tenant: admitted?.tenant ?? '',
      requestId: asked.requestId,
      now: this.#deps.clock(),
      signal: AbortSignal.any([asked.request.signal, this.#deps.stopping]),
    }
  }

  async #claim(
    route: string,
    row: Row<M> & { kind: 'claim' },
    call: Call<unknown, unknown, unknown>,
  ): Promise<Response | Refused> {
    const { store, rooms } = this.#deps
    try {
      const text = await store.write(async (tx) => {
        const done = unlessRefused(await row.run(rooms, call, tx))
        const text = answerText(row.answer, done.answer)
        await this.#leaf(tx, row, done, '', done.actor ?? 'gate', call.requestId)
        return text
      })
      return jsonResponse(row.answer.status, text)
    } catch (error) {
      if (error instanceof TakenBack) await this.#noteDenied(route, call.requestId, error.refusal)
      throw error
    }
  }

  async #change(
    row: Row<M> & { kind: 'change' },
    call: Known<unknown, unknown, unknown>,
    asked: Asked,
  ): Promise<Response | Refused> {
    const { store, seals, rooms } = this.#deps
    const key = asked.request.headers.get('idempotency-key')
    if (key === null || !KEY_FORM.test(key)) return { refused: 'key-missing' }
    const { pathname, search } = new URL(asked.request.url)
    const keyed = {
      tokenId: call.caller.id,
      method: row.method,
      target: pathname + search,
      key,
      body: asked.bytes,
      tenant: call.tenant,
      now: call.now,
    }
    await warmKey(seals, call.tenant)
    const result = await store.write(async (tx) => {
      await this.#prune(tx, call.now)
      return await once(tx, seals, keyed, async () => {
        const done = unlessRefused(await row.run(rooms, call, tx))
        const tenant = call.tenant === '' ? (call.caller.tenant ?? '') : call.tenant
        // The answer is read through its schema before the leaf is written, and both before the commit.
        const text = answerText(row.answer, done.answer)
        await this.#leaf(tx, row, done, tenant, call.caller.id, call.requestId)
        return { status: row.answer.status, text }
      })
    })
    this.#deps.door.forget()
    if (isRefusal(result)) return result
    if ('fresh' in result) return jsonResponse(result.fresh.status, result.fresh.text)
    const { status, text } = await openEarlier(seals, keyed, result.earlier)
    return jsonResponse(status, text, { 'idempotency-replayed': 'true' })
  }

  /** Nothing leaves before its leaf is durable. */
  async #reveal(
    row: Row<M> & { kind: 'reveal' },
    call: Known<unknown, unknown, unknown>,
  ): Promise<Response | Refused> {
    const { store, rooms } = this.#deps
    const done = await row.run(rooms, { ...call, body: null }, store.read)
    if (isRefusal(done)) return done
    await store.write((tx) => this.#leaf(tx, row, done, call.tenant, call.caller.id, call.requestId))
    return answered(row.answer, done.answer)
  }

  async #leaf(
    tx: Tx,
    row: Row<M> & { kind: 'change' | 'claim' | 'reveal' },
    { target, details }: Done<unknown>,
    tenant: string,
    actor: string,
    requestId: string,
  ): Promise<void> {
    await this.#deps.audit(tx, {
      action: row.audit,
      tenant,
      actor,
      target,
      outcome: 'allowed',
      requestId,
      details,
    })
  }

  async #pull(
    route: string,
    row: Row<M> & { kind: 'pull' },
    call: Known<unknown, unknown, unknown>,
    asked: Asked,
  ): Promise<Response | Refused> {
    const { subscription: id, tenant } = call.caller
    if (id === null || tenant === null) return { refused: 'who', wanted: "a pull subscription's token" }
    const isLive = async () => !isDenied(await this.#admitAgain(row, asked.request))
    const begin = (signal: AbortSignal) =>
      row.run(this.#deps.rooms, { ...call, subscriber: { id, tenant }, signal })
    if (row.answer.as === 'events') {
      const items = (signal: AbortSignal) => begin(signal) as AsyncIterable<unknown> // such rows answer one
      const failed = (error: unknown) => this.#deps.failed(route, asked.requestId, error)
      return streamed(asked.context, row.answer, items, isLive, call.signal, failed)
    }
    const result = await (begin(call.signal) as Promise<unknown>) // and all others a promise
    const waited = this.#deps.clock() - call.now
    // Revoked while it waited: what was leased goes back when the lease lapses.
    if (waited > WAITED_MS && !(await isLive())) return { refused: 'bearer', why: 'revoked' }
    return answer(row, result)
  }

  /** Without the rate: the call has paid for itself. */
  async #admitAgain(row: Row<M> & { kind: 'pull' }, request: Request): Promise<Admitted | Denied> {
    const free: RateGate = { take: () => Promise.resolve({ ok: true }) }
    const admission = { door: this.#deps.door, rates: free, db: this.#deps.store.read }
    return await admit(admission, row, request.headers.get('authorization'), undefined)
  }

  async #prune(tx: Tx, now: number): Promise<void> {
    if (now < this.#nextPrune) return
    this.#nextPrune = now + PRUNE_MS
    await pruneIdempotency(tx, now)
  }

  /** Best effort, after the fact: the denial stands whether or not it can be written down. */
  async #noteDenied(route: string, requestId: string, refusal: Refused, caller?: LiveToken): Promise<void> {
    if (refusal.refused === 'rate' || refusal.refused === 'bearer') return
    const event = {
      action: 'access.denied',
      tenant: caller?.tenant ?? '',
      actor: caller?.id ?? 'gate',
      target: route,
      outcome: 'denied',
      requestId,
      details: { code: codeOf(refusal) },
    } as const
    try {
      await this.#deps.store.write((tx) => this.#deps.audit(tx, event))
    } catch (error) {
      this.#deps.failed(route, requestId, error)
    }
  }

  #explain(route: string, requestId: string, error: unknown): Refused {
    if (error instanceof TakenBack) return error.refusal
    if (error instanceof StoreUnavailable) return { refused: 'store-away' }
    if (isUniqueViolation(error))
      return { refused: 'state', message: 'make the change: another one came first' }
    this.#deps.failed(route, requestId, error)
    return { refused: 'failed' }
  }
}

/** Only rows for anyone come without a token; one that did elsewhere must not go on as nobody. */
function known<C extends object>(
  call: C,
  admitted: Admitted | undefined,
): C & { readonly caller: LiveToken } {
  if (admitted === undefined) throw new Error('serve a route: no token was verified, wanted one')
  return { ...call, caller: admitted.caller }
}

type Read = Pick<Asked, 'query' | 'body' | 'bytes'>

async function readAll(row: Row<never>, request: Request): Promise<Read | Refused> {
  const bytes: ReadBody | Refused = await readBody(request, row.bodyCap)
  if (isRefusal(bytes)) return bytes
  const query = parseQuery(new URL(request.url), row.query)
  if (isRefusal(query)) return query
  const body = parseBody(request, bytes, row.body)
  if (isRefusal(body)) return body
  return { query: query.value, body: body.value, bytes: bytes.bytes }
}

function answer(row: Row<never>, result: unknown): Response | Refused {
  return isRefusal(result) ? result : answered(row.answer, result)
}

function unlessRefused(result: Done<unknown> | Refused): Done<unknown> {
  if (isRefusal(result)) throw new TakenBack(result)
  return result
}

function isDenied(result: Admitted | Denied | undefined): result is Denied {
  return result !== undefined && 'refusal' in result
}

/** Two changes that wanted one name at the same moment: the loser is told so, and may look again. */
function isUniqueViolation(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return ('code' in error && error.code === '23505') || error.message.includes('UNIQUE constraint failed')
}
