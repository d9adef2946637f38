/**
 * Indexes for what lists filter by: without them one filter that matches little reads all that a tenant has. All of them
 * grow at their end for each channel, action or subscription. Never edit a migration that has shipped.
 */
import type { Migration } from '../migrate.ts'

export const filters: Migration = {
  id: 3,
  name: 'filters',
  statements: [
    `CREATE INDEX inbox_channel ON inbox (tenant_id, channel_id, id)`,
    `CREATE INDEX audit_entry_action ON audit_entry (action, tenant_id, seq)`,
    `CREATE INDEX dispatch_subscription ON dispatch (subscription_id, delivery_id)`,
  ],
}
