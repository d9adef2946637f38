/**
 * The command table. In: the rows of `commands/`. Out: every command there is, in the order help shows them. A command
 * that is not here does not exist.
 */
import { channelCommands } from './commands/channel.ts'
import { configCommands } from './commands/config.ts'
import { credentialCommands } from './commands/credential.ts'
import { deliveryCommands } from './commands/delivery.ts'
import { gateCommands } from './commands/gate.ts'
import { operateCommands } from './commands/operate.ts'
import { recordCommands } from './commands/record.ts'
import { replayCommands } from './commands/replay.ts'
import { sourceCommands } from './commands/source.ts'
import { subscriptionCommands } from './commands/subscription.ts'
import { tenantCommands } from './commands/tenant.ts'
import { tokenCommands } from './commands/token.ts'
import type { Command } from './command.ts'

export const TABLE: readonly Command[] = [
  ...gateCommands,
  ...operateCommands,
  ...tenantCommands,
  ...channelCommands,
  ...credentialCommands,
  ...subscriptionCommands,
  ...deliveryCommands,
  ...replayCommands,
  ...recordCommands,
  ...tokenCommands,
  ...sourceCommands,
  ...configCommands,
]
