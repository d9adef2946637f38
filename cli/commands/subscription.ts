/**
 * Subscriptions: which app gets what comes in on which channels. In: channels, and an address to push to or none. Out:
 * the subscription, with its signing secret or pull token once. Refuses what the gate refuses.
 */
import type { Command } from '../command.ts'
import { online } from '../connect.ts'
import { printPage, printRecord } from '../print.ts'
import { channelIdOf, subscriptionIdOf, tenantOf } from '../resolve.ts'
import { EXIT, usage } from '../trouble.ts'
import { pageOf } from '../values.ts'

const SUBSCRIPTION = { name: 'subscription', help: 'id or name' } as const

export const subscriptionCommands: readonly Command[] = [
  {
    name: 'subscription create',
    summary: 'Hand what comes in on channels to an app, by push or by pull',
    options: {
      name: { value: 'name', needed: true, help: 'what people call it' },
      push: { value: 'url', help: 'the app takes signed POSTs here' },
      pull: { help: 'the app asks with a token of its own' },
      channel: { value: 'channel', many: true, needed: true, help: 'id or name' },
      'inline-body': { help: 'carry the raw body in the envelope' },
      sync: { help: 'the answer to a push goes back to the vendor where it waits for one' },
      ordered: { help: 'hand out one after another what is of one conversation' },
    },
    online: true,
    tenanted: true,
    example:
      'gatehouse subscription create --name bot --channel support \\\n  --push https://bot.example/hook',
    run: online(async (api, input, io) => {
      const url = input.text('push')
      if ((url === undefined) !== input.flag('pull')) throw usage('give either --push <url> or --pull')
      const tenant = await tenantOf(api, input)
      const channels = await Promise.all(input.list('channel').map((text) => channelIdOf(api, tenant, text)))
      const subscription = await api.createSubscription(tenant, {
        name: input.need('name'),
        mode: url === undefined ? 'pull' : 'push',
        ...(url !== undefined && { url }),
        channels,
        inlineBody: input.flag('inline-body'),
        sync: input.flag('sync'),
        ordered: input.flag('ordered'),
      })
      printRecord(io, input, subscription)
      return EXIT.done
    }),
  },
  {
    name: 'subscription list',
    summary: 'List the subscriptions of a tenant, newest first',
    online: true,
    tenanted: true,
    paged: true,
    example: 'gatehouse subscription list',
    run: online(async (api, input, io) => {
      printPage(io, input, await api.listSubscriptions(await tenantOf(api, input), pageOf(input)), {
        id: (it) => it.id,
        name: (it) => it.name,
        mode: (it) => it.mode,
        state: (it) => it.state,
        url: (it) => it.url,
      })
      return EXIT.done
    }),
  },
  {
    name: 'subscription show',
    summary: 'Show one subscription; its secret is never shown again',
    takes: [SUBSCRIPTION],
    online: true,
    tenanted: true,
    example: 'gatehouse subscription show bot',
    run: online(async (api, input, io) => {
      const tenant = await tenantOf(api, input)
      const subscription = await subscriptionIdOf(api, tenant, input.needAt(0))
      printRecord(io, input, await api.readSubscription(tenant, subscription))
      return EXIT.done
    }),
  },
  stateCommand('pause', 'Hold deliveries to an app until it is resumed', 'paused'),
  stateCommand('resume', 'Hand deliveries to a paused app again', 'active'),
  {
    name: 'subscription delete',
    summary: 'End a subscription; its secret or token works no more',
    takes: [SUBSCRIPTION],
    online: true,
    tenanted: true,
    example: 'gatehouse subscription delete bot',
    run: online(async (api, input, io) => {
      const tenant = await tenantOf(api, input)
      const subscription = await subscriptionIdOf(api, tenant, input.needAt(0))
      printRecord(io, input, await api.removeSubscription(tenant, subscription))
      return EXIT.done
    }),
  },
]

function stateCommand(verb: string, summary: string, state: 'active' | 'paused'): Command {
  return {
    name: `subscription ${verb}`,
    summary,
    takes: [SUBSCRIPTION],
    online: true,
    tenanted: true,
    example: `gatehouse subscription ${verb} bot`,
    run: online(async (api, input, io) => {
      const tenant = await tenantOf(api, input)
      const subscription = await subscriptionIdOf(api, tenant, input.needAt(0))
      printRecord(io, input, await api.changeSubscription(tenant, subscription, { state }))
      return EXIT.done
    }),
  }
}
