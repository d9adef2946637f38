/**
 * Tenants: whose channels are whose. In: a name. Out: the tenant. Refuses what the gate refuses.
 */
import type { Command } from '../command.ts'
import { online } from '../connect.ts'
import { printPage, printRecord } from '../print.ts'
import { tenantIdOf } from '../resolve.ts'
import { EXIT } from '../trouble.ts'
import { pageOf } from '../values.ts'

export const tenantCommands: readonly Command[] = [
  {
    name: 'tenant create',
    summary: 'Make a tenant',
    options: { name: { value: 'name', needed: true, help: 'what people call it' } },
    online: true,
    example: 'gatehouse tenant create --name acme',
    run: online(async (api, input, io) => {
      printRecord(io, input, await api.createTenant({ name: input.need('name') }))
      return EXIT.done
    }),
  },
  {
    name: 'tenant list',
    summary: 'List the tenants, newest first',
    online: true,
    paged: true,
    example: 'gatehouse tenant list --limit 10',
    run: online(async (api, input, io) => {
      const page = await api.listTenants(pageOf(input))
      printPage(io, input, page, { id: (it) => it.id, name: (it) => it.name, created: (it) => it.createdAt })
      return EXIT.done
    }),
  },
  {
    name: 'tenant show',
    summary: 'Show one tenant',
    takes: [{ name: 'tenant', help: 'id or name' }],
    online: true,
    example: 'gatehouse tenant show acme',
    run: online(async (api, input, io) => {
      printRecord(io, input, await api.readTenant(await tenantIdOf(api, input.needAt(0))))
      return EXIT.done
    }),
  },
]
