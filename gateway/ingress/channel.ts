/**
 * Channels by id, ready to verify with. In: a channel id from a path. Out: its source, settings, bound workspaces and
 * live credentials with their keys made, or `undefined`. Refuses nothing; a credential that cannot be opened is left
 * out and told to the operator, so a channel with none refuses all.
 */
import { LRUCache } from 'lru-cache'
import type { Secret } from '../secrets/sealed.ts'
import type { Schema } from '../store/schema.ts'
import { type Store, StoreUnavailable } from '../store/store.ts'
import type { Source } from './source.ts'
import type { LiveCredential } from './verify.ts'

/** Channels kept with their keys; one evicted is read again. */
const CHANNELS_CAP = 10_000
/** Ids known to name nothing, so that a scan costs no reads; kept apart, so that it evicts no channel. */
const UNKNOWN_CAP = 10_000

export interface Channel {
  readonly id: string
  readonly tenant: string
  readonly name: string
  readonly source: Source
  readonly settings: unknown
  /** Undefined binds the channel to no workspace. */
  readonly workspaces: readonly string[] | undefined
  readonly replayMs: number
  readonly paused: boolean
  readonly credentials: readonly ExpiringCredential[]
}

export interface ExpiringCredential extends LiveCredential {
  /** Unix milliseconds at which the overlap after a rotation ends. */
  readonly expiresAt: number | undefined
}

export interface ChannelNeeds {
  readonly store: Store
  /** Reads in bounded time, or refuses at once while the store is away; what is kept is not asked for. */
  readonly ask: <T>(read: () => Promise<T>) => Promise<T>
  readonly source: (name: string) => Source | undefined
  readonly openCredential: (tenant: string, id: string, sealed: Buffer) => Promise<Secret>
  /** A stored credential could not be opened or is not a key any more. */
  readonly unreadable: (channel: string, credential: string, error: unknown) => void
}

export class ChannelBook {
  readonly #needs: ChannelNeeds
  readonly #known = new LRUCache<string, Promise<Channel | undefined>>({ max: CHANNELS_CAP })
  readonly #unknown = new LRUCache<string, true>({ max: UNKNOWN_CAP })

  constructor(needs: ChannelNeeds) {
    this.#needs = needs
    needs.store.listen('config', () => this.#forget())
  }

  async find(id: string): Promise<Channel | undefined> {
    if (this.#unknown.has(id)) return undefined
    const known = this.#known.get(id)
    if (known !== undefined) return await known
    return await this.#load(id)
  }

  /** Keeps the promise, so that requests that arrive together read once, and so that `#forget` drops a read under way. */
  async #load(id: string): Promise<Channel | undefined> {
    const loading = this.#needs.ask(() => this.#read(id))
    this.#known.set(id, loading)
    try {
      const channel = await loading
      if (channel === undefined && this.#known.peek(id) === loading) {
        this.#known.delete(id)
        this.#unknown.set(id, true)
      }
      return channel
    } catch (error) {
      if (this.#known.peek(id) === loading) this.#known.delete(id)
      throw error
    }
  }

  #forget(): void {
    this.#known.clear()
    this.#unknown.clear()
  }

  async #read(id: string): Promise<Channel | undefined> {
    const { read } = this.#needs.store
    const row = await read.selectFrom('channel').selectAll().where('id', '=', id).executeTakeFirst()
    const source = row === undefined ? undefined : this.#needs.source(row.source)
    if (row === undefined || source === undefined) return undefined
    const credentials = read.selectFrom('credential').selectAll().where('channel_id', '=', id)
    const live = await credentials.where('state', '=', 'live').orderBy('id', 'desc').execute()
    const settings: unknown = JSON.parse(row.settings)
    const opened = await Promise.all(live.map((credential) => this.#open(source, settings, credential)))
    return {
      id,
      tenant: row.tenant_id,
      name: row.name,
      source,
      settings,
      workspaces: row.workspaces === null ? undefined : (JSON.parse(row.workspaces) as string[]),
      replayMs: row.replay_ms,
      paused: row.state === 'paused',
      credentials: opened.filter((credential) => credential !== undefined),
    }
  }

  async #open(
    source: Source,
    settings: unknown,
    row: Schema['credential'],
  ): Promise<ExpiringCredential | undefined> {
    try {
      const secret = await this.#needs.openCredential(row.tenant_id, row.id, row.sealed)
      const key = source.key(secret.reveal(), settings, row.role)
      return { id: row.id, key, expiresAt: row.expires_at ?? undefined }
    } catch (error) {
      // The moment is wrong, not the credential: left out, it would stay out for as long as the channel is kept.
      if (error instanceof StoreUnavailable) throw error
      this.#needs.unreadable(row.channel_id, row.id, error)
      return undefined
    }
  }
}

/** The credentials that may prove at `now`. */
export function liveAt(channel: Channel, now: number): readonly LiveCredential[] {
  const { credentials } = channel
  const anyExpires = credentials.some(({ expiresAt }) => expiresAt !== undefined)
  return anyExpires
    ? credentials.filter(({ expiresAt }) => expiresAt === undefined || expiresAt > now)
    : credentials
}
