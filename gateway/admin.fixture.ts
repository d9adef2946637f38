/**
 * An admin listener over a real store, for tests. In: an engine, and whatever a test wants otherwise. Out: its address,
 * clients, and what it told its observer. Refuses nothing; rooms that other issues fill are small stand-ins here.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { serve, type ServerType } from '@hono/node-server'
import { Client } from '@gatehouse/contract/client.ts'
import { z } from 'zod'
import type { Engine } from '../test/support/engines.ts'
import type { ChannelSource } from './admin/needs.ts'
import { append } from './audit/append.ts'
import { AUDIT_ACTIONS, type AuditEvent } from './audit/events.ts'
import { isPlaceholder } from './placeholder.ts'
import type { Rooms } from './routes.ts'
import { openKeyring } from './secrets/keyring.ts'
import { fileRoot, rootKeyOf } from './secrets/roots/file.ts'
import { newId } from './store/id.ts'
import { openStore } from './store/open.ts'
import type { Store, Tx } from './store/store.ts'
import { makeClaimCode } from './tokens/claim.ts'
import { TokenDoor } from './tokens/door.ts'
import { issueToken } from './tokens/issue.ts'
import { revokeTokensOf } from './tokens/tokens.ts'
import { type AdminDeps, type Answered, makeAdmin } from './http/admin.ts'
import type { ApiEvent } from './http/serve.ts'

type Need = Omit<Rooms, 'openapi'>

export interface Fixture {
  readonly url: string
  readonly store: Store
  readonly deps: AdminDeps
  readonly events: ApiEvent[]
  readonly calls: Answered[]
  readonly faults: unknown[]
  /** Moves the clock, in milliseconds. */
  pass(milliseconds: number): void
  client(token?: string): Client
  /** Claims the gate; a client with every scope. */
  administrator(): Promise<{ client: Client; token: string }>
  claimCode(): Promise<string>
  stop(): Promise<void>
}

/** What a test may put in place of the usual. */
export interface Otherwise {
  readonly deps?: (usual: AdminDeps) => Partial<AdminDeps>
  readonly rooms?: Partial<Need>
}

export async function startAdmin(engine: Engine, otherwise: Otherwise = {}): Promise<Fixture> {
  let skew = 0
  const clock = () => Date.now() + skew
  const store = await openStore(engine, clock)
  const keyring = await openKeyring(store, fileRoot(rootKeyOf(randomBytes(32))), clock)
  const events: ApiEvent[] = []
  const calls: Answered[] = []
  const faults: unknown[] = []
  const stop = new AbortController()
  const door = new TokenDoor(store, clock)
  const usual: AdminDeps = {
    store,
    door,
    rates: { take: () => Promise.resolve({ ok: true }) },
    audit: async (tx, event) => {
      events.push(event)
      return event.action in AUDIT_ACTIONS ? await append(tx, event as AuditEvent, clock()) : 0
    },
    rooms: { ...roomsOver(keyring, clock), ...otherwise.rooms },
    clock,
    requestId: () => `req_${randomBytes(16).toString('hex')}`,
    stopping: stop.signal,
    observer: {
      answered: (call) => void calls.push(call),
      failed: (_route, _requestId, error) => void faults.push(error),
    },
  }
  const deps = { ...usual, ...otherwise.deps?.(usual) }
  const { url, close } = await listen(deps)
  const client = (token?: string) => new Client({ url, ...(token !== undefined && { token }) })
  const claimCode = () => store.write((tx) => makeClaimCode(tx, randomBytes, clock()))
  return {
    url,
    store,
    deps,
    events,
    calls,
    faults,
    pass: (milliseconds) => void (skew += milliseconds),
    client,
    claimCode,
    async administrator() {
      const { token } = await client().claim({ code: await claimCode() })
      return { client: client(token), token }
    },
    async stop() {
      stop.abort()
      await close()
      await door.close()
      await store.close()
    },
  }
}

async function listen(deps: AdminDeps): Promise<{ url: string; close: () => Promise<void> }> {
  const { fetch } = makeAdmin(deps)
  const server: ServerType = serve({ fetch, hostname: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // a TCP listener has no other address
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      if ('closeAllConnections' in server) server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function roomsOver(keyring: Need['keyring'], clock: () => number): Need {
  return {
    random: randomBytes,
    keyring,
    sources: { named: (name) => SOURCES.find((source) => source.name === name), all: () => SOURCES },
    isPlaceholder,
    pushUrl: (url) =>
      url.startsWith('https://') ? { ok: true } : { ok: false, problem: 'only https is called' },
    replay: replayAll,
    previewReplay: () => Promise.resolve({ deliveries: 2, dispatches: 3, complete: true }),
    bodyOf: (content) => content,
    openAttachment: () => Promise.resolve(undefined),
    issueToken: (tx, { now, ...ask }) => issueToken(tx, randomBytes, now, { ...ask, expiresAt: null }),
    revokeTokensOf: (tx, subscription) => revokeTokensOf(tx, subscription, clock()),
    publicUrl: 'https://gate.example/',
    replayDays: 7,
    pull: {
      lease: () => Promise.resolve([]),
      ack: (_, leases) => Promise.resolve(leases.map((lease) => (lease === 'mine' ? 'done' : 'gone'))),
      nack: () => Promise.resolve('retry'),
      async *stream() {},
    },
    vitals: {
      check: () => Promise.resolve({ store: 'ok' }),
      metrics: () =>
        Promise.resolve({ bytes: Buffer.from('up 1\n'), contentType: 'text/plain; version=0.0.4' }),
    },
  }
}

/** One dispatch to the first subscription there is. */
async function replayAll(tx: Tx, ask: Parameters<Need['replay']>[1]): Promise<string[]> {
  const query = tx.db.selectFrom('subscription').select('id').where('tenant_id', '=', ask.tenant)
  const subscription = await query.executeTakeFirst()
  if (subscription === undefined) return []
  const id = newId('dsp_', ask.now)
  await tx.db
    .insertInto('dispatch')
    .values({
      id,
      tenant_id: ask.tenant,
      delivery_id: ask.delivery,
      subscription_id: subscription.id,
      state: 'pending',
      attempts: 0,
      due_at: ask.now,
      lease: null,
      lease_until: null,
      replay: 1,
      last_status: null,
      last_error: null,
      created_at: ask.now,
      finished_at: null,
    })
    .execute()
  return [id]
}

/** A vendor that signs times and lets its user choose, and one that does neither. */
const SOURCES: readonly ChannelSource[] = [
  {
    name: 'timely',
    title: 'Timely',
    docs: 'docs/guide/sources/timely.md',
    tolerance: 300,
    retrySpan: 3 * 86_400,
    namesWorkspace: 'sometimes',
    answers: {},
    settings: z.strictObject({ mode: z.enum(['hex', 'any']).default('any') }),
    credential: { kind: 'secret', hint: 'Under Webhooks.', generated: true },
    key(secret, settings) {
      const { mode } = settings as { mode: string }
      if (mode === 'hex' && !/^[0-9a-f]+$/.test(secret)) throw new RangeError('is not hex')
    },
  },
  {
    name: 'timeless',
    title: 'Timeless',
    docs: 'docs/guide/sources/timeless.md',
    tolerance: undefined,
    retrySpan: 0,
    namesWorkspace: 'never',
    settings: z.strictObject({}),
    credential: { kind: 'public-key', hint: 'Under Keys.', generated: false },
    key(secret) {
      if (secret.length < 4) throw new RangeError('is too short for a key')
    },
  },
]
