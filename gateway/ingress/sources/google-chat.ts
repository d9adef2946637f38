/**
 * Google Chat: interaction events of one app. In: requests with a token that Google signed for the app's URL or project.
 * Out: claims and facts. Refuses tokens of anyone but Google Chat itself: every Google account can have one made for
 * any URL, and every add-on has an account whose name looks like Google's own.
 * https://developers.google.com/workspace/chat/verify-requests-from-chat
 */
import { z } from 'zod'
import type { Json } from '@gatehouse/proof/canonical.ts'
import { isFor } from '@gatehouse/proof/jwt.ts'
import { type BearerToken, bearerClaim, bearerToken } from '../bearer.ts'
import { given, idAt, isRecord, member, named, party, textAt } from '../member.ts'
import type { ClaimRefusal, Facts, RawRequest, Source } from '../source.ts'

/** The account that is Google Chat. Compared whole: `service-1@gcp-sa-gsuiteaddons…` and the like are others. */
const CHAT = 'chat@system.gserviceaccount.com'
const GOOGLE: readonly unknown[] = ['https://accounts.google.com', 'accounts.google.com']
const GOOGLE_KEYS = 'https://www.googleapis.com/oauth2/v3/certs'
const CHAT_KEYS = 'https://www.googleapis.com/service_accounts/v1/jwk/chat@system.gserviceaccount.com'

/** What Google's libraries allow. */
const SKEW = 300
/** Google does not say that it repeats; an hour leaves room for a late queue. */
const RETRY_SPAN = 3_600
const BODY_CAP = 1_048_576

const KINDS: ReadonlyMap<string, string> = new Map([
  ['MESSAGE', 'message'],
  ['APP_COMMAND', 'command'],
  ['CARD_CLICKED', 'interaction'],
  ['SUBMIT_FORM', 'interaction'],
  ['WIDGET_UPDATED', 'interaction'],
  ['APP_HOME', 'interaction'],
  ['ADDED_TO_SPACE', 'installation'],
  ['REMOVED_FROM_SPACE', 'installation'],
])

const Settings = z.strictObject({
  /** As chosen under Authentication Audience of the app's connection settings. */
  audience: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('url'), url: z.url({ protocol: /^https?$/ }).max(2_048) }),
    z.strictObject({ kind: z.literal('project'), number: z.string().regex(/^[1-9]\d{0,19}$/) }),
  ]),
  /** For tests; who answers there says whose events are genuine. */
  keysUrl: z
    .url({ protocol: /^https?$/ })
    .max(2_048)
    .optional(),
})

type Settings = z.infer<typeof Settings>

export const googleChat: Source<Settings> = {
  name: 'google-chat',
  title: 'Google Chat',
  docs: 'docs/guide/sources/google-chat.md',
  methods: ['POST'],
  contentTypes: ['application/json'],
  bodies: ['json'],
  namesWorkspace: 'sometimes',
  bodyCap: BODY_CAP,
  tolerance: undefined,
  retrySpan: RETRY_SPAN,
  settings: Settings,
  credential: {
    kind: 'public-key',
    hint: 'None: events are proved by the keys that Google publishes. The setting audience says for which app.',
    generated: false,
  },
  skew: SKEW,
  refusalStatus: 401,
  // An empty object is no reply; an empty body is shown to people as an app that does not answer.
  ack: { status: 200, contentType: 'application/json', body: '{}' },
  warnings: ({ keysUrl }) =>
    keysUrl === undefined
      ? []
      : ['Keys are read from a URL of your own; who answers there can forge events.'],
  key() {
    throw new RangeError('add a credential: Google Chat channels take none, Google publishes its keys')
  },
  keyRef(request, settings) {
    const token = addressed(request, settings)
    if ('refused' in token) return token
    const usual = settings.audience.kind === 'url' ? GOOGLE_KEYS : CHAT_KEYS
    return { kind: 'jwks', url: settings.keysUrl ?? usual, kid: token.kid, algorithm: 'rsa-sha256' }
  },
  claim(request, settings) {
    const token = addressed(request, settings)
    return 'refused' in token ? token : bearerClaim(token, request)
  },
  facts(_request, body) {
    if (body.type !== 'json' || !isRecord(body.value)) return { malformed: 'body' }
    const type = textAt(body.value, 'type')
    return type === undefined ? { malformed: 'type' } : event(body.value, type)
  },
}

/** The token, when it is Google Chat's and for this app. Nothing of it is proved yet. */
function addressed(request: RawRequest, { audience }: Settings): BearerToken | ClaimRefusal {
  const token = bearerToken(request)
  if ('refused' in token) return token
  const { payload } = token
  const { iss, email, email_verified: isVerified } = payload
  const isChat =
    audience.kind === 'project' ? iss === CHAT : GOOGLE.includes(iss) && email === CHAT && isVerified === true
  if (!isChat) return { refused: 'issuer' }
  return isFor(payload, audience.kind === 'url' ? audience.url : audience.number)
    ? token
    : { refused: 'audience' }
}

function event(body: Json, type: string): Facts {
  const user = member(body, 'user')
  const space = member(body, 'space')
  return {
    workspaces: named(idAt(space, 'customer')),
    kind: KINDS.get(type) ?? 'other',
    // A click carries the message it was made on: only a message is named by its name.
    ...given('deliveryId', type === 'MESSAGE' ? textAt(body, 'message', 'name') : undefined),
    event: type,
    ...given('actor', party(idAt(user, 'name'), textAt(user, 'displayName'))),
    ...given('conversation', party(idAt(space, 'name'), textAt(space, 'displayName'))),
    ...given('text', textAt(body, 'message', 'text')),
    ...given('locale', textAt(body, 'common', 'userLocale')),
  }
}
