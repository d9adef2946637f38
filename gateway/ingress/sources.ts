/**
 * Every source there is. In: a name. Out: the source of that name, or `undefined`. Refuses nothing; a name that is not in
 * the list does not exist. A new vendor is a file in `sources/`, a line here, a page and vectors.
 */
import type { Source } from './source.ts'
import { awsSns } from './sources/aws-sns.ts'
import { bitbucket } from './sources/bitbucket.ts'
import { discord } from './sources/discord.ts'
import { forgejo } from './sources/forgejo.ts'
import { genericHmac } from './sources/generic-hmac.ts'
import { gitea } from './sources/gitea.ts'
import { github } from './sources/github.ts'
import { gitlab } from './sources/gitlab.ts'
import { gogs } from './sources/gogs.ts'
import { googleChat } from './sources/google-chat.ts'
import { instagram } from './sources/instagram.ts'
import { line } from './sources/line.ts'
import { linear } from './sources/linear.ts'
import { mattermost } from './sources/mattermost.ts'
import { messenger } from './sources/messenger.ts'
import { pagerduty } from './sources/pagerduty.ts'
import { paypal } from './sources/paypal.ts'
import { pumble } from './sources/pumble.ts'
import { sendgrid } from './sources/sendgrid.ts'
import { shopifyAppProxy } from './sources/shopify-app-proxy.ts'
import { shopifyOauth } from './sources/shopify-oauth.ts'
import { shopify } from './sources/shopify.ts'
import { slack } from './sources/slack.ts'
import { standardWebhooks } from './sources/standard-webhooks.ts'
import { stripe } from './sources/stripe.ts'
import { svix } from './sources/svix.ts'
import { teamsOutgoing } from './sources/teams-outgoing.ts'
import { teams } from './sources/teams.ts'
import { telegramInitData } from './sources/telegram-init-data.ts'
import { telegram } from './sources/telegram.ts'
import { twilio } from './sources/twilio.ts'
import { viber } from './sources/viber.ts'
import { web } from './sources/web.ts'
import { whatsapp } from './sources/whatsapp.ts'
import { x } from './sources/x.ts'
import { zoom } from './sources/zoom.ts'

// Each checks its own settings before it sees them; the list forgets their shapes.
export const SOURCES: readonly Source[] = [
  awsSns,
  bitbucket,
  discord,
  forgejo,
  genericHmac,
  gitea,
  github,
  gitlab,
  gogs,
  googleChat,
  instagram,
  line,
  linear,
  mattermost,
  messenger,
  pagerduty,
  paypal,
  pumble,
  sendgrid,
  shopifyAppProxy,
  shopifyOauth,
  shopify,
  slack,
  standardWebhooks,
  stripe,
  svix,
  teamsOutgoing,
  teams,
  telegramInitData,
  telegram,
  twilio,
  viber,
  web,
  whatsapp,
  x,
  zoom,
] as readonly Source[]

const BY_NAME: ReadonlyMap<string, Source> = new Map(SOURCES.map((source) => [source.name, source]))

export function sourceNamed(name: string): Source | undefined {
  return BY_NAME.get(name)
}
