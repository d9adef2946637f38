/**
 * Deliveries: what was proved and taken in, and how far it got. In: filters or an id. Out: what is known without
 * opening it, or, asked for by its own verb, the raw body. Refuses what the gate refuses.
 */
import type { Client } from '@gatehouse/contract/client.ts'
import type { Command } from '../command.ts'
import { online } from '../connect.ts'
import { plain } from '../io.ts'
import { printPage, printRecord } from '../print.ts'
import { channelIdOf, subscriptionIdOf, tenantOf } from '../resolve.ts'
import { EXIT } from '../trouble.ts'
import { choiceOf, pageOf } from '../values.ts'

const DELIVERY = { name: 'delivery', help: 'its id, dlv_…' } as const
const SUBSCRIPTION = { value: 'subscription', help: 'only for this app, id or name' } as const
const STATES = ['pending', 'leased', 'done', 'dead'] as const

type Delivery = Awaited<ReturnType<Client['readDelivery']>>

export const deliveryCommands: readonly Command[] = [
  {
    name: 'delivery list',
    summary: 'List what was taken in, newest first',
    options: {
      channel: { value: 'channel', help: 'only from this one, id or name' },
      subscription: SUBSCRIPTION,
      state: { value: 'state', help: `only in one of ${STATES.join(', ')}` },
    },
    online: true,
    tenanted: true,
    paged: true,
    example: 'gatehouse delivery list --channel support --state dead',
    run: online(async (api, input, io) => {
      const state = choiceOf(input, 'state', STATES)
      const tenant = await tenantOf(api, input)
      const channel = input.text('channel')
      const subscription = input.text('subscription')
      const page = await api.listDeliveries(tenant, {
        ...pageOf(input),
        ...(channel !== undefined && { channel: await channelIdOf(api, tenant, channel) }),
        ...(subscription !== undefined && {
          subscription: await subscriptionIdOf(api, tenant, subscription),
        }),
        ...(state !== undefined && { state }),
      })
      printPage(io, input, page, {
        id: (it) => it.id,
        received: (it) => it.receivedAt,
        source: (it) => it.source,
        kind: (it) => it.kind,
        size: (it) => it.size,
        'handed on': handedOn,
      })
      return EXIT.done
    }),
  },
  {
    name: 'delivery show',
    summary: 'Show one delivery and every try to hand it on, without its body',
    takes: [DELIVERY],
    online: true,
    tenanted: true,
    example: 'gatehouse delivery show dlv_… --json',
    run: online(async (api, input, io) => {
      printRecord(io, input, await api.readDelivery(await tenantOf(api, input), input.needAt(0)))
      return EXIT.done
    }),
  },
  {
    name: 'delivery body',
    summary: 'Write the verified raw body, byte for byte',
    takes: [DELIVERY],
    online: true,
    tenanted: true,
    bare: true,
    example: 'gatehouse delivery body dlv_… > body.json',
    run: online(async (api, input, io) => {
      const body = await api.readDeliveryBody(await tenantOf(api, input), input.needAt(0))
      // A stranger wrote these bytes: on a terminal they must not be able to move the cursor.
      io.stdout.write(io.stdout.isTTY ? `${plain(Buffer.from(body).toString('utf8'))}\n` : body)
      return EXIT.done
    }),
  },
  {
    name: 'delivery replay',
    summary: 'Hand a delivery on once more, marked as a replay and freshly signed',
    takes: [DELIVERY],
    options: { subscription: SUBSCRIPTION },
    online: true,
    tenanted: true,
    dangerous: true,
    example: `gatehouse delivery replay dlv_… --reason 'the app lost it in an outage'`,
    run: online(async (api, input, io) => {
      const tenant = await tenantOf(api, input)
      const subscription = input.text('subscription')
      const replayed = await api.replayDelivery(tenant, input.needAt(0), {
        ...(subscription !== undefined && {
          subscription: await subscriptionIdOf(api, tenant, subscription),
        }),
        reason: input.need('reason'),
      })
      printRecord(io, input, replayed)
      return EXIT.done
    }),
  },
  {
    name: 'delivery retry',
    summary: 'Make due now what waits of a delivery, and what died',
    takes: [DELIVERY],
    options: { subscription: SUBSCRIPTION },
    online: true,
    tenanted: true,
    dangerous: true,
    example: `gatehouse delivery retry dlv_… --reason 'the app is back'`,
    run: online(async (api, input, io) => {
      const tenant = await tenantOf(api, input)
      const subscription = input.text('subscription')
      const retried = await api.retryDelivery(tenant, input.needAt(0), {
        ...(subscription !== undefined && {
          subscription: await subscriptionIdOf(api, tenant, subscription),
        }),
        reason: input.need('reason'),
      })
      printRecord(io, input, retried)
      return EXIT.done
    }),
  },
]

/** `done 2, dead 1`: how many of its dispatches are in which state. */
function handedOn(delivery: Delivery): string {
  const counts = Map.groupBy(delivery.dispatches, (dispatch) => dispatch.state)
  return [...counts].map(([state, dispatches]) => `${state} ${dispatches.length}`).join(', ') || 'to nobody'
}
