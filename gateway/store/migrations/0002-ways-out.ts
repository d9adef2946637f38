/**
 * What the ways out need: answers in the vendor's time, subscriptions held by a breaker, order within a conversation,
 * and replays of many deliveries. Every new column may be null, and null means as before. Never edit a migration that
 * has shipped: the store compares checksums and refuses to start.
 */
import type { Migration } from '../migrate.ts'

export const waysOut: Migration = {
  id: 2,
  name: 'ways-out',
  statements: [
    `ALTER TABLE subscription ADD COLUMN sync INTEGER`,
    `ALTER TABLE subscription ADD COLUMN ordered INTEGER`,
    `ALTER TABLE subscription ADD COLUMN held_until BIGINT`,
    `ALTER TABLE subscription ADD COLUMN held_ms BIGINT`,
    `ALTER TABLE subscription ADD COLUMN held_why TEXT`,
    // Copies of the subscription's, so that the accept needs no second join and one index can say "at most one".
    `ALTER TABLE subscription_channel ADD COLUMN sync INTEGER`,
    `ALTER TABLE subscription_channel ADD COLUMN ordered INTEGER`,
    `CREATE UNIQUE INDEX subscription_channel_sync ON subscription_channel (channel_id) WHERE sync = 1`,
    `ALTER TABLE dispatch ADD COLUMN order_key TEXT`,
    `CREATE INDEX dispatch_order ON dispatch (subscription_id, order_key, id)
      WHERE order_key IS NOT NULL AND state IN ('pending', 'leased')`,
    `CREATE INDEX dispatch_dead ON dispatch (tenant_id, id) WHERE state = 'dead'`,
    `CREATE TABLE sync_answer (
      delivery_id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, sealed BLOB NOT NULL, created_at BIGINT NOT NULL)`,
    `CREATE TABLE replay_job (
      id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL REFERENCES tenant (id), state TEXT NOT NULL, filter TEXT NOT NULL,
      actor TEXT NOT NULL, reached TEXT NOT NULL, examined BIGINT NOT NULL, dispatched BIGINT NOT NULL,
      created_at BIGINT NOT NULL, finished_at BIGINT)`,
    `CREATE INDEX replay_job_tenant ON replay_job (tenant_id, id)`,
    `CREATE INDEX replay_job_running ON replay_job (id) WHERE state = 'running'`,
  ],
}
