/**
 * Channels: one vendor's way in for one tenant. In: a source, a name, the workspaces it may speak for. Out: the channel
 * with the path the vendor posts to. Refuses what the gate refuses.
 */
import type { Client } from '@gatehouse/contract/client.ts'
import type { Command, Input } from '../command.ts'
import { online } from '../connect.ts'
import { type Io, remark } from '../io.ts'
import { printPage, printRecord } from '../print.ts'
import { channelIdOf, tenantOf } from '../resolve.ts'
import { EXIT, usage } from '../trouble.ts'
import { numberOf, pageOf, settingsOf } from '../values.ts'

const CHANNEL = { name: 'channel', help: 'id or name' } as const
const WORKSPACE = { value: 'id', many: true, help: 'vendor workspace it may speak for' } as const
const SETTING = {
  value: 'key=value',
  many: true,
  help: 'setting of this source; see gatehouse source list',
} as const
const REPLAY_DAYS = { value: 'days', help: 'how long a delivery is remembered against replay' } as const

export const channelCommands: readonly Command[] = [
  {
    name: 'channel create',
    summary: 'Open a way in for one vendor',
    options: {
      name: { value: 'name', needed: true, help: 'what people call it' },
      source: { value: 'source', needed: true, help: 'vendor; see gatehouse source list' },
      workspace: WORKSPACE,
      setting: SETTING,
      'replay-days': REPLAY_DAYS,
    },
    online: true,
    tenanted: true,
    example: 'gatehouse channel create --name support --source slack --workspace T1DC2JH3J',
    run: online(async (api, input, io) => {
      const workspaces = input.list('workspace')
      const settings = settingsOf(input)
      const replayDays = numberOf(input, 'replay-days')
      const channel = await api.createChannel(await tenantOf(api, input), {
        name: input.need('name'),
        source: input.need('source'),
        ...(workspaces.length > 0 && { workspaces: [...workspaces] }),
        ...(settings && { settings }),
        ...(replayDays !== undefined && { replayDays }),
      })
      showChannel(io, input, channel)
      return EXIT.done
    }),
  },
  {
    name: 'channel list',
    summary: 'List the channels of a tenant, newest first',
    online: true,
    tenanted: true,
    paged: true,
    example: 'gatehouse channel list --tenant acme',
    run: online(async (api, input, io) => {
      const page = await api.listChannels(await tenantOf(api, input), pageOf(input))
      printPage(io, input, page, {
        id: (it) => it.id,
        name: (it) => it.name,
        source: (it) => it.source,
        state: (it) => it.state,
        path: (it) => it.path,
      })
      return EXIT.done
    }),
  },
  {
    name: 'channel show',
    summary: 'Show one channel',
    takes: [CHANNEL],
    online: true,
    tenanted: true,
    example: 'gatehouse channel show support',
    run: online(async (api, input, io) => {
      const tenant = await tenantOf(api, input)
      showChannel(io, input, await api.readChannel(tenant, await channelIdOf(api, tenant, input.needAt(0))))
      return EXIT.done
    }),
  },
  {
    name: 'channel update',
    summary: 'Change the name, workspaces, settings or replay memory of a channel',
    takes: [CHANNEL],
    options: {
      name: { value: 'name', help: 'what people call it' },
      workspace: WORKSPACE,
      'any-workspace': { help: 'bind to no workspace: whatever the secret signs is taken' },
      setting: SETTING,
      'replay-days': REPLAY_DAYS,
    },
    online: true,
    tenanted: true,
    example: 'gatehouse channel update support --workspace T1DC2JH3J --workspace T2EXAMPLE',
    run: online(async (api, input, io) => {
      const change = changeOf(input)
      const tenant = await tenantOf(api, input)
      const channel = await channelIdOf(api, tenant, input.needAt(0))
      showChannel(io, input, await api.changeChannel(tenant, channel, change))
      return EXIT.done
    }),
  },
  stateCommand('pause', 'Take nothing in on a channel until it is resumed', 'paused'),
  stateCommand('resume', 'Take deliveries in again on a paused channel', 'active'),
]

type Channel = Awaited<ReturnType<Client['readChannel']>>

/** What is weak about its settings is trouble, and so goes to stderr. */
function showChannel(io: Io, input: Input, channel: Channel): void {
  const { warnings, ...facts } = channel
  printRecord(io, input, input.flag('json') ? channel : facts)
  for (const warning of warnings) remark(io, 'warning', warning)
}

function changeOf(input: Input) {
  const workspaces = input.list('workspace')
  const any = input.flag('any-workspace')
  if (any && workspaces.length > 0) throw usage('--workspace and --any-workspace exclude each other')
  const name = input.text('name')
  const settings = settingsOf(input)
  const replayDays = numberOf(input, 'replay-days')
  const change = {
    ...(name !== undefined && { name }),
    ...(workspaces.length > 0 && { workspaces: [...workspaces] }),
    ...(any && { workspaces: null }),
    ...(settings && { settings }),
    ...(replayDays !== undefined && { replayDays }),
  }
  if (Object.keys(change).length === 0) throw usage('channel update needs something to change')
  return change
}

function stateCommand(verb: string, summary: string, state: 'active' | 'paused'): Command {
  return {
    name: `channel ${verb}`,
    summary,
    takes: [CHANNEL],
    online: true,
    tenanted: true,
    example: `gatehouse channel ${verb} support`,
    run: online(async (api, input, io) => {
      const tenant = await tenantOf(api, input)
      const channel = await channelIdOf(api, tenant, input.needAt(0))
      showChannel(io, input, await api.changeChannel(tenant, channel, { state }))
      return EXIT.done
    }),
  }
}
