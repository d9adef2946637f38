/**
 * The first tables: tenants, channels, credentials, subscriptions, the inbox with its replay memory, the dispatch
 * queue, tokens, idempotency and the audit chain. Never edit a migration that has shipped: the store compares
 * checksums and refuses to start.
 */
import type { Migration } from '../migrate.ts'

export const foundation: Migration = {
  id: 1,
  name: 'foundation',
  statements: [
    `CREATE TABLE gate (key TEXT PRIMARY KEY, value TEXT NOT NULL)`,
    `INSERT INTO gate (key, value) VALUES ('config-generation', '0'), ('ping', '')`,
    `CREATE TABLE data_key (
      id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, wrapped BLOB NOT NULL, check_value BLOB NOT NULL,
      root TEXT NOT NULL, state TEXT NOT NULL, created_at BIGINT NOT NULL)`,
    `CREATE UNIQUE INDEX data_key_active ON data_key (tenant_id) WHERE state = 'active'`,
    `CREATE TABLE tenant (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_at BIGINT NOT NULL)`,
    `CREATE TABLE channel (
      id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL REFERENCES tenant (id), name TEXT NOT NULL, source TEXT NOT NULL,
      workspaces TEXT, settings TEXT NOT NULL, replay_ms BIGINT NOT NULL, state TEXT NOT NULL,
      created_at BIGINT NOT NULL)`,
    `CREATE UNIQUE INDEX channel_name ON channel (tenant_id, name)`,
    `CREATE TABLE credential (
      id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, channel_id TEXT NOT NULL REFERENCES channel (id),
      label TEXT NOT NULL, role TEXT NOT NULL, sealed BLOB NOT NULL, state TEXT NOT NULL, expires_at BIGINT, created_at BIGINT NOT NULL,
      last_used_at BIGINT)`,
    `CREATE INDEX credential_channel ON credential (channel_id)`,
    `CREATE TABLE subscription (
      id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL REFERENCES tenant (id), name TEXT NOT NULL, mode TEXT NOT NULL,
      url TEXT, secret_sealed BLOB, inline_body INTEGER NOT NULL, state TEXT NOT NULL, created_at BIGINT NOT NULL)`,
    `CREATE UNIQUE INDEX subscription_name ON subscription (tenant_id, name)`,
    `CREATE TABLE subscription_channel (
      subscription_id TEXT NOT NULL REFERENCES subscription (id), channel_id TEXT NOT NULL REFERENCES channel (id),
      tenant_id TEXT NOT NULL, PRIMARY KEY (channel_id, subscription_id))`,
    `CREATE TABLE inbox (
      id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, channel_id TEXT NOT NULL, source TEXT NOT NULL,
      kind TEXT NOT NULL, credential_id TEXT NOT NULL, signed_at BIGINT, received_at BIGINT NOT NULL,
      size BIGINT NOT NULL, sealed BLOB NOT NULL) {ordered}`,
    `CREATE INDEX inbox_tenant ON inbox (tenant_id, id)`,
    `CREATE TABLE replay_memory (key BLOB PRIMARY KEY, delivery_id TEXT NOT NULL, expires_at BIGINT NOT NULL) {ordered}`,
    `CREATE INDEX replay_memory_expiry ON replay_memory (expires_at)`,
    `CREATE TABLE dispatch (
      id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, delivery_id TEXT NOT NULL, subscription_id TEXT NOT NULL,
      state TEXT NOT NULL, attempts INTEGER NOT NULL, due_at BIGINT NOT NULL, lease TEXT, lease_until BIGINT,
      replay INTEGER NOT NULL, last_status INTEGER, last_error TEXT, created_at BIGINT NOT NULL,
      finished_at BIGINT)`,
    `CREATE INDEX dispatch_due ON dispatch (subscription_id, due_at) WHERE state = 'pending'`,
    `CREATE INDEX dispatch_leased ON dispatch (lease_until) WHERE state = 'leased'`,
    `CREATE INDEX dispatch_delivery ON dispatch (delivery_id)`,
    `CREATE TABLE refusal (
      id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, channel_id TEXT NOT NULL, at BIGINT NOT NULL,
      reason TEXT NOT NULL, detail TEXT NOT NULL, request_id TEXT NOT NULL, count INTEGER NOT NULL)`,
    `CREATE INDEX refusal_channel ON refusal (channel_id, id)`,
    `CREATE TABLE token (
      id TEXT PRIMARY KEY, tenant_id TEXT, subscription_id TEXT, name TEXT NOT NULL, hash BLOB NOT NULL UNIQUE,
      scopes TEXT NOT NULL, created_at BIGINT NOT NULL, expires_at BIGINT, revoked_at BIGINT, last_used_at BIGINT)`,
    `CREATE TABLE claim_code (
      hash BLOB PRIMARY KEY, created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, used_at BIGINT)`,
    `CREATE TABLE idempotency (
      key BLOB PRIMARY KEY, tenant_id TEXT NOT NULL, request_digest BLOB NOT NULL, status INTEGER NOT NULL,
      sealed BLOB NOT NULL, expires_at BIGINT NOT NULL)`,
    `CREATE INDEX idempotency_expiry ON idempotency (expires_at)`,
    `CREATE TABLE audit_entry (
      seq BIGINT PRIMARY KEY, at BIGINT NOT NULL, tenant_id TEXT NOT NULL, action TEXT NOT NULL, target TEXT NOT NULL,
      entry TEXT NOT NULL, hash BLOB NOT NULL) {ordered}`,
    `CREATE INDEX audit_entry_tenant ON audit_entry (tenant_id, seq)`,
    `CREATE TABLE audit_head (id INTEGER PRIMARY KEY, seq BIGINT NOT NULL, hash BLOB NOT NULL)`,
    `INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, {zeros32})`,
  ],
}
