/**
 * Replays of many deliveries at once. In: a filter and a reason, or a replay's id. Out: what would be sent, then how far it
 * is. Refuses what the gate refuses; nothing is sent without a reason.
 */
import type { Client } from '@gatehouse/contract/client.ts'
import type { Command, Input, Option } from '../command.ts'
import { online } from '../connect.ts'
import { printPage, printRecord } from '../print.ts'
import { channelIdOf, subscriptionIdOf, tenantOf } from '../resolve.ts'
import { EXIT } from '../trouble.ts'
import { choiceOf, pageOf } from '../values.ts'

const REPLAY = { name: 'replay', help: 'its id, rpl_…' } as const
const STATES = ['done', 'dead'] as const

const FILTER: Readonly<Record<string, Option>> = {
  channel: { value: 'channel', help: 'only from this one, id or name' },
  subscription: { value: 'subscription', help: 'only for this app, id or name' },
  state: { value: 'state', help: `only what ended so: ${STATES.join(' or ')}` },
  kind: { value: 'kind', help: 'only of this kind, such as message' },
  since: { value: 'time', help: 'received from then on, RFC 3339' },
  until: { value: 'time', help: 'received before then, RFC 3339' },
}

export const replayCommands: readonly Command[] = [
  {
    name: 'replay preview',
    summary: 'Show how many deliveries a replay would send now',
    options: FILTER,
    online: true,
    tenanted: true,
    example: 'gatehouse replay preview --state dead --since 2026-11-20T08:00:00Z',
    run: online(async (api, input, io) => {
      const tenant = await tenantOf(api, input)
      printRecord(io, input, await api.previewReplay(tenant, await filterOf(api, tenant, input)))
      return EXIT.done
    }),
  },
  {
    name: 'replay start',
    summary: 'Send many deliveries once more, marked as replays',
    options: FILTER,
    online: true,
    tenanted: true,
    dangerous: true,
    example: `gatehouse replay start --state dead --reason 'the app was down'`,
    run: online(async (api, input, io) => {
      const tenant = await tenantOf(api, input)
      const filter = await filterOf(api, tenant, input)
      printRecord(io, input, await api.startReplay(tenant, { ...filter, reason: input.need('reason') }))
      return EXIT.done
    }),
  },
  {
    name: 'replay list',
    summary: 'List the replays of a tenant, newest first',
    online: true,
    tenanted: true,
    paged: true,
    example: 'gatehouse replay list',
    run: online(async (api, input, io) => {
      printPage(io, input, await api.listReplays(await tenantOf(api, input), pageOf(input)), {
        id: (it) => it.id,
        state: (it) => it.state,
        examined: (it) => it.examined,
        sent: (it) => it.dispatched,
        created: (it) => it.createdAt,
      })
      return EXIT.done
    }),
  },
  {
    name: 'replay show',
    summary: 'Show how far a replay is',
    takes: [REPLAY],
    online: true,
    tenanted: true,
    example: 'gatehouse replay show rpl_… --json',
    run: online(async (api, input, io) => {
      printRecord(io, input, await api.readReplay(await tenantOf(api, input), input.needAt(0)))
      return EXIT.done
    }),
  },
  {
    name: 'replay cancel',
    summary: 'End a replay; what it has sent stays sent',
    takes: [REPLAY],
    online: true,
    tenanted: true,
    dangerous: true,
    example: `gatehouse replay cancel rpl_… --reason 'the filter was too wide'`,
    run: online(async (api, input, io) => {
      const tenant = await tenantOf(api, input)
      printRecord(
        io,
        input,
        await api.cancelReplay(tenant, input.needAt(0), { reason: input.need('reason') }),
      )
      return EXIT.done
    }),
  },
]

type Filter = NonNullable<Parameters<Client['previewReplay']>[1]>

async function filterOf(api: Client, tenant: string, input: Input): Promise<Filter> {
  const channel = input.text('channel')
  const subscription = input.text('subscription')
  const state = choiceOf(input, 'state', STATES)
  const texts = ['kind', 'since', 'until'].flatMap((name) => {
    const text = input.text(name)
    return text === undefined ? [] : [[name, text] as const]
  })
  return {
    ...(channel !== undefined && { channel: await channelIdOf(api, tenant, channel) }),
    ...(subscription !== undefined && { subscription: await subscriptionIdOf(api, tenant, subscription) }),
    ...(state !== undefined && { state }),
    ...Object.fromEntries(texts),
  }
}
