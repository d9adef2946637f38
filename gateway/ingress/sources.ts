/**
 * Every source there is. In: a name. Out: the source of that name, or `undefined`. Refuses nothing; a name that is not in
 * the list does not exist. A new vendor is a file in `sources/`, a line here, a page and vectors.
 */
import type { Source } from './source.ts'
import { discord } from './sources/discord.ts'
import { genericHmac } from './sources/generic-hmac.ts'
import { github } from './sources/github.ts'
import { pumble } from './sources/pumble.ts'
import { slack } from './sources/slack.ts'
import { standardWebhooks } from './sources/standard-webhooks.ts'
import { stripe } from './sources/stripe.ts'
import { svix } from './sources/svix.ts'
import { telegram } from './sources/telegram.ts'

// Each checks its own settings before it sees them; the list forgets their shapes.
export const SOURCES: readonly Source[] = [
  discord,
  genericHmac,
  github,
  pumble,
  slack,
  standardWebhooks,
  stripe,
  svix,
  telegram,
] as readonly Source[]

const BY_NAME: ReadonlyMap<string, Source> = new Map(SOURCES.map((source) => [source.name, source]))

export function sourceNamed(name: string): Source | undefined {
  return BY_NAME.get(name)
}
