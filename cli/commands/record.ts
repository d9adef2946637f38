/**
 * What the gate keeps for operators: refusals of a channel, events of the audit log. In: a channel or a filter. Out:
 * rows without bodies. Refuses what the gate refuses.
 */
import type { Command } from '../command.ts'
import { online } from '../connect.ts'
import { printPage } from '../print.ts'
import { channelIdOf, tenantOf } from '../resolve.ts'
import { EXIT, usage } from '../trouble.ts'
import { pageOf } from '../values.ts'

export const recordCommands: readonly Command[] = [
  {
    name: 'refusal list',
    summary: 'List why a channel refused its latest callers; they were only told 401',
    options: { channel: { value: 'channel', needed: true, help: 'id or name' } },
    online: true,
    tenanted: true,
    paged: true,
    example: 'gatehouse refusal list --channel support',
    run: online(async (api, input, io) => {
      const tenant = await tenantOf(api, input)
      const channel = await channelIdOf(api, tenant, input.need('channel'))
      printPage(io, input, await api.listRefusals(tenant, channel, pageOf(input)), {
        at: (it) => it.at,
        reason: (it) => it.reason,
        detail: (it) => it.detail,
        count: (it) => it.count,
        request: (it) => it.requestId,
      })
      return EXIT.done
    }),
  },
  {
    name: 'event list',
    summary: 'List the audit log, newest first',
    options: {
      platform: { help: 'the whole log: of the gate and of every tenant' },
      action: { value: 'action', help: 'only these, such as credential.revoked' },
    },
    online: true,
    tenanted: true,
    paged: true,
    example: 'gatehouse event list --action credential.revoked',
    run: online(async (api, input, io) => {
      const action = input.text('action')
      const query = { ...pageOf(input), ...(action !== undefined && { action }) }
      const platform = input.flag('platform')
      if (platform && input.flag('tenant')) throw usage('--platform and --tenant exclude each other')
      const page = platform
        ? await api.listEvents(query)
        : await api.listTenantEvents(await tenantOf(api, input), query)
      printPage(io, input, page, {
        seq: (it) => it.seq,
        at: (it) => it.at,
        action: (it) => it.action,
        outcome: (it) => it.outcome,
        actor: (it) => it.actor,
        target: (it) => it.target,
      })
      return EXIT.done
    }),
  },
]
