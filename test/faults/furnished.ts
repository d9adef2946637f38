/**
 * What every fault test needs of a gate: a tenant, a channel, a credential, perhaps an app. In: a gate that waits to be
 * claimed. Out: its admin, and where to post. Refuses what the API refuses.
 */
import { randomBytes } from 'node:crypto'
import { Client } from '@gatehouse/contract/client.ts'

export interface Furnished {
  readonly admin: Client
  readonly tenant: string
  readonly channel: string
  readonly path: string
  readonly secret: string
  readonly token: string
}

/** Deliveries carry their id in `id`. */
const SETTINGS = { header: 'x-signature', deliveryIdPath: 'id' }

export async function furnish(adminUrl: string, claim: string, appUrl?: string): Promise<Furnished> {
  const { token } = await new Client({ url: adminUrl }).claim({ code: claim })
  const admin = new Client({ url: adminUrl, token })
  const { id: tenant } = await admin.createTenant({ name: 'acme' })
  const line = await openChannel(admin, tenant, 'events')
  if (appUrl !== undefined)
    await admin.createSubscription(tenant, {
      name: 'app',
      mode: 'push',
      url: appUrl,
      channels: [line.channel],
    })
  return { admin, tenant, token, ...line }
}

export async function openChannel(
  admin: Client,
  tenant: string,
  name: string,
): Promise<{ channel: string; path: string; secret: string }> {
  const secret = randomBytes(24).toString('hex')
  const { id, path } = await admin.createChannel(tenant, { name, source: 'generic-hmac', settings: SETTINGS })
  await admin.createCredential(tenant, id, { value: secret })
  return { channel: id, path, secret }
}
