/**
 * The tables that are written many rows at a time, as PostgreSQL types: `unnest` wants each array's type by name, and
 * the key column tells which rows went in. A test compares this list with the database.
 */
export interface BulkTable {
  readonly key: string
  readonly columns: Readonly<Record<string, string>>
}

export const BULK_TABLES: Readonly<Record<string, BulkTable>> = {
  replay_memory: { key: 'key', columns: { key: 'bytea', delivery_id: 'text', expires_at: 'bigint' } },
  inbox: {
    key: 'id',
    columns: {
      id: 'text',
      tenant_id: 'text',
      channel_id: 'text',
      source: 'text',
      kind: 'text',
      credential_id: 'text',
      signed_at: 'bigint',
      received_at: 'bigint',
      size: 'bigint',
      sealed: 'bytea',
    },
  },
  dispatch: {
    key: 'id',
    columns: {
      id: 'text',
      tenant_id: 'text',
      delivery_id: 'text',
      subscription_id: 'text',
      state: 'text',
      attempts: 'integer',
      due_at: 'bigint',
      lease: 'text',
      lease_until: 'bigint',
      replay: 'integer',
      last_status: 'integer',
      last_error: 'text',
      created_at: 'bigint',
      finished_at: 'bigint',
      order_key: 'text',
    },
  },
  refusal: {
    key: 'id',
    columns: {
      id: 'text',
      tenant_id: 'text',
      channel_id: 'text',
      at: 'bigint',
      reason: 'text',
      detail: 'text',
      request_id: 'text',
      count: 'integer',
    },
  },
  audit_entry: {
    key: 'seq',
    columns: {
      seq: 'bigint',
      at: 'bigint',
      tenant_id: 'text',
      action: 'text',
      target: 'text',
      entry: 'text',
      hash: 'bytea',
    },
  },
}
