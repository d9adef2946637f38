/**
 * Credentials: the secrets by which a channel proves its sender. In: a file, stdin or a terminal, never an argument.
 * Out: the credential, and its value once when Gatehouse made it up. Refuses what the gate refuses.
 */
import type { Command } from '../command.ts'
import { online } from '../connect.ts'
import { printPage, printRecord } from '../print.ts'
import { channelIdOf, tenantOf } from '../resolve.ts'
import { readSecret, VALUE_FILE } from '../secret.ts'
import { EXIT, usage } from '../trouble.ts'
import { numberOf, pageOf } from '../values.ts'

const CHANNEL = { value: 'channel', needed: true, help: 'id or name of its channel' } as const
const CREDENTIAL = { name: 'credential', help: 'its id, crd_…' } as const
const GENERATE = { help: 'let Gatehouse make the secret up, where the vendor allows it' } as const
const VALUE = { 'value-file': VALUE_FILE, generate: GENERATE } as const

export const credentialCommands: readonly Command[] = [
  {
    name: 'credential create',
    summary: 'Give a channel a secret of its vendor, or have one made up',
    options: {
      channel: CHANNEL,
      label: { value: 'text', help: 'what people call it' },
      role: { value: 'name', help: 'what it is for, where a source has several, such as verify-token' },
      ...VALUE,
    },
    online: true,
    tenanted: true,
    example: 'gatehouse credential create --channel support --value-file signing-secret.txt',
    run: online(async (api, input, io) => {
      const value = await valueOf(input, io)
      const label = input.text('label')
      const tenant = await tenantOf(api, input)
      const channel = await channelIdOf(api, tenant, input.need('channel'))
      const role = input.text('role')
      const body = {
        ...(label !== undefined && { label }),
        ...(role !== undefined && { role }),
        ...(value !== undefined && { value }),
      }
      printRecord(io, input, await api.createCredential(tenant, channel, body))
      return EXIT.done
    }),
  },
  {
    name: 'credential list',
    summary: 'List the credentials of a channel; their values are never shown',
    options: { channel: CHANNEL },
    online: true,
    tenanted: true,
    paged: true,
    example: 'gatehouse credential list --channel support',
    run: online(async (api, input, io) => {
      const tenant = await tenantOf(api, input)
      const channel = await channelIdOf(api, tenant, input.need('channel'))
      printPage(io, input, await api.listCredentials(tenant, channel, pageOf(input)), {
        id: (it) => it.id,
        label: (it) => it.label,
        role: (it) => it.role,
        state: (it) => it.state,
        expires: (it) => it.expiresAt,
        'last used': (it) => it.lastUsedAt,
      })
      return EXIT.done
    }),
  },
  {
    name: 'credential rotate',
    summary: 'Replace a credential; the old one stays good during the overlap',
    takes: [CREDENTIAL],
    options: {
      channel: CHANNEL,
      ...VALUE,
      'overlap-seconds': { value: 'seconds', help: 'how long both are good; a day when left out' },
    },
    online: true,
    tenanted: true,
    example: 'gatehouse credential rotate crd_… --channel support --value-file new.txt',
    run: online(async (api, input, io) => {
      const value = await valueOf(input, io)
      const overlapSeconds = numberOf(input, 'overlap-seconds')
      const tenant = await tenantOf(api, input)
      const channel = await channelIdOf(api, tenant, input.need('channel'))
      const body = {
        ...(value !== undefined && { value }),
        ...(overlapSeconds !== undefined && { overlapSeconds }),
      }
      printRecord(io, input, await api.rotateCredential(tenant, channel, input.needAt(0), body))
      return EXIT.done
    }),
  },
  {
    name: 'credential revoke',
    summary: 'End a credential now: what it signs is refused from this moment',
    takes: [CREDENTIAL],
    options: { channel: CHANNEL },
    online: true,
    tenanted: true,
    dangerous: true,
    example: `gatehouse credential revoke crd_… --channel support --reason 'leaked'`,
    run: online(async (api, input, io) => {
      const tenant = await tenantOf(api, input)
      const channel = await channelIdOf(api, tenant, input.need('channel'))
      const reason = input.need('reason')
      printRecord(io, input, await api.revokeCredential(tenant, channel, input.needAt(0), { reason }))
      return EXIT.done
    }),
  },
]

/** The secret as given; undefined asks the gate to make one up. */
async function valueOf(...[input, io]: Parameters<Command['run']>): Promise<string | undefined> {
  const file = input.text('value-file')
  if (!input.flag('generate')) return readSecret(io, file, 'secret, as the vendor shows it (not echoed)')
  if (file !== undefined) throw usage('--value-file and --generate exclude each other')
  return undefined
}
