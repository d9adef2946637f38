/**
 * The tables, as Kysely sees them on both engines. Times are Unix milliseconds, ids are text that sorts by age, blobs
 * are bytes. `docs/storage.md` says of each column what is hashed, what is sealed and how long it lives.
 */
import type { Kysely } from 'kysely'

export interface Schema {
  gate: { key: string; value: string }
  data_key: {
    id: string
    tenant_id: string
    wrapped: Buffer
    /** Commitment of a fixed label under the key: a wrong root key shows at start, not at the first read. */
    check_value: Buffer
    root: string
    state: 'active' | 'decrypt_only'
    created_at: number
  }
  tenant: { id: string; name: string; created_at: number }
  channel: {
    id: string
    tenant_id: string
    name: string
    source: string
    /** JSON list of workspace ids the channel is bound to; null binds to none. */
    workspaces: string | null
    /** JSON object, checked by the source's own schema. */
    settings: string
    replay_ms: number
    state: 'active' | 'paused'
    created_at: number
  }
  credential: {
    id: string
    tenant_id: string
    channel_id: string
    label: string
    /** '' for the source's own credential, else the name of one of its others. */
    role: string
    sealed: Buffer
    state: 'live' | 'revoked'
    /** End of the overlap after a rotation; null while it is the current one. */
    expires_at: number | null
    created_at: number
    last_used_at: number | null
  }
  subscription: {
    id: string
    tenant_id: string
    name: string
    mode: 'push' | 'pull'
    url: string | null
    /** The signing secret of push, sealed; null for pull. */
    secret_sealed: Buffer | null
    /** Whether the envelope carries the raw body: 0 or 1. */
    inline_body: number
    state: 'active' | 'paused'
    created_at: number
    /** 1 when the app's answer goes back to the vendor, else null. */
    sync: number | null
    /** 1 when deliveries of one conversation are handed out one after another, else null. */
    ordered: number | null
    /** Nothing is pushed before; null when nothing holds it. */
    held_until: number | null
    /** How long the breaker was opened for the last time; it doubles. */
    held_ms: number | null
    held_why: 'breaker' | 'asked' | null
  }
  subscription_channel: {
    subscription_id: string
    channel_id: string
    tenant_id: string
    /** Copies of the subscription's. */
    sync: number | null
    ordered: number | null
  }
  inbox: {
    id: string
    tenant_id: string
    channel_id: string
    source: string
    kind: string
    credential_id: string
    signed_at: number | null
    received_at: number
    size: number
    /** Facts, kept headers and raw body (`ingress/content.ts`), sealed. */
    sealed: Buffer
  }
  replay_memory: { key: Buffer; delivery_id: string; expires_at: number }
  dispatch: {
    id: string
    tenant_id: string
    delivery_id: string
    subscription_id: string
    state: 'pending' | 'leased' | 'done' | 'dead'
    /** Tries begun so far. */
    attempts: number
    due_at: number
    /** Random name of the lease in force; ack and nack must name it. */
    lease: string | null
    lease_until: number | null
    /** 1 when an operator sent it again. */
    replay: number
    last_status: number | null
    last_error: string | null
    created_at: number
    finished_at: number | null
    /** Blind index of the conversation where the subscription is ordered; keyed, so it names no one. */
    order_key: string | null
  }
  /** The one answer a callback got, so that a copy of it hears the same. */
  sync_answer: { delivery_id: string; tenant_id: string; sealed: Buffer; created_at: number }
  /** One replay of many deliveries. */
  replay_job: {
    id: string
    tenant_id: string
    state: 'running' | 'done' | 'cancelled'
    /** JSON: which deliveries (`delivery/replay-filter.ts`). */
    filter: string
    /** The token that asked. */
    actor: string
    /** The last id looked at; '' before the first. */
    reached: string
    examined: number
    dispatched: number
    created_at: number
    finished_at: number | null
  }
  refusal: {
    id: string
    tenant_id: string
    channel_id: string
    at: number
    reason: string
    detail: string
    request_id: string
    /** How many alike within the same second this row stands for. */
    count: number
  }
  token: {
    id: string
    /** Null for tokens of the platform, which must name a tenant in the path. */
    tenant_id: string | null
    /** Set for tokens of one pull subscription. */
    subscription_id: string | null
    name: string
    hash: Buffer
    /** JSON list. */
    scopes: string
    created_at: number
    expires_at: number | null
    revoked_at: number | null
    last_used_at: number | null
  }
  claim_code: { hash: Buffer; created_at: number; expires_at: number; used_at: number | null }
  idempotency: {
    /** SHA-256 of token id, method, path and key. */
    key: Buffer
    tenant_id: string
    request_digest: Buffer
    status: number
    /** The answer may hold a secret shown once; sealed. */
    sealed: Buffer
    expires_at: number
  }
  audit_entry: {
    seq: number
    at: number
    tenant_id: string
    action: string
    target: string
    /** Canonical JSON (RFC 8785) of the whole event. */
    entry: string
    hash: Buffer
  }
  audit_head: { id: number; seq: number; hash: Buffer }
}

export type Database = Kysely<Schema>
