/**
 * From what people type to ids. In: an id or a name. Out: the id. Refuses a name that nothing or more than one thing
 * has, and asks which tenant is meant once there are several.
 */
import type { Client, Page } from '@gatehouse/contract/client.ts'
import type { Input } from './command.ts'
import { refused, usage } from './trouble.ts'

/** Most names to read through before asking for an id instead. */
const NAMES_READ = 1000

interface Named {
  readonly id: string
  readonly name: string
}

type List = (page: Page) => Promise<{ readonly items: readonly Named[]; readonly next: string | null }>

/** `--tenant`, else the token's own, else the only one there is. */
export async function tenantOf(api: Client, input: Input): Promise<string> {
  const given = input.text('tenant')
  if (given !== undefined) return tenantIdOf(api, given)
  const { tenant } = await api.whoAmI()
  if (tenant !== null) return tenant
  const { items } = await api.listTenants({ limit: 2 })
  const [only, another] = items
  if (only === undefined) throw refused('there is no tenant yet', 'run gatehouse tenant create --name <name>')
  if (another !== undefined)
    throw usage('--tenant is needed: there is more than one', 'see gatehouse tenant list')
  return only.id
}

export function tenantIdOf(api: Client, text: string): Promise<string> {
  return idOf('tenant', 'ten_', text, (page) => api.listTenants(page))
}

export function channelIdOf(api: Client, tenant: string, text: string): Promise<string> {
  return idOf('channel', 'chn_', text, (page) => api.listChannels(tenant, page))
}

export function subscriptionIdOf(api: Client, tenant: string, text: string): Promise<string> {
  return idOf('subscription', 'sub_', text, (page) => api.listSubscriptions(tenant, page))
}

async function idOf(kind: string, prefix: string, text: string, list: List): Promise<string> {
  if (text.startsWith(prefix)) return text
  const found: string[] = []
  let page: Page = { limit: 100 }
  for (let read = 0; read < NAMES_READ; read += 100) {
    const { items, next } = await list(page)
    found.push(...items.filter((item) => item.name === text).map((item) => item.id))
    if (next === null) break
    page = { limit: 100, cursor: next }
  }
  const [id, another] = found
  if (id === undefined) throw refused(`there is no ${kind} named ${text}`, `see gatehouse ${kind} list`)
  if (another !== undefined)
    throw refused(`more than one ${kind} is named ${text}`, `give its id: ${found.join(' or ')}`)
  return id
}
