/**
 * Microsoft Teams bots, and other channels of the Bot Framework. In: activities with a token that the Bot Connector signed
 * for one app. Out: claims and facts. Refuses tokens of other issuers (the emulator's and other bots' among them), for
 * other apps, under keys that are not endorsed for the channel, and activities from another service than the token's.
 * https://learn.microsoft.com/en-us/azure/bot-service/rest-api/bot-framework-rest-connector-authentication
 */
import { z } from 'zod'
import type { Json } from '@gatehouse/proof/canonical.ts'
import { isFor, textOf } from '@gatehouse/proof/jwt.ts'
import { type BearerToken, bearerClaim, bearerToken } from '../bearer.ts'
import { given, idAt, isRecord, member, named, party, textAt } from '../member.ts'
import type { Answer, ClaimRefusal, Facts, RawRequest, Source } from '../source.ts'

/** Microsoft's own libraries allow five minutes. */
const SKEW = 300
/** Nothing is promised on repeats; an hour leaves room for a late queue. */
const RETRY_SPAN = 3_600
/** Activities stay below 256 KB; larger files come as links. */
const BODY_CAP = 1_048_576

/** Who signs, and where the keys are, in each of Microsoft's clouds. */
const CLOUDS = {
  public: {
    issuer: 'https://api.botframework.com',
    keysUrl: 'https://login.botframework.com/v1/.well-known/keys',
  },
  'us-government': {
    issuer: 'https://api.botframework.us',
    keysUrl: 'https://login.botframework.azure.us/v1/.well-known/keys',
  },
  china: {
    issuer: 'https://api.botframework.azure.cn',
    keysUrl: 'https://login.botframework.azure.cn/v1/.well-known/keys',
  },
} as const

/** An invoke wants a body; the app was not asked in time, so there is nothing in it. */
const NOTHING_YET: Answer = { status: 200, contentType: 'application/json', body: '{}' }

const KINDS: ReadonlyMap<string, string> = new Map([
  ['message', 'message'],
  ['messageUpdate', 'message'],
  ['messageDelete', 'message'],
  ['messageReaction', 'reaction'],
  ['conversationUpdate', 'member'],
  ['installationUpdate', 'installation'],
  ['invoke', 'interaction'],
])

const Settings = z.strictObject({
  /** The bot's Microsoft App ID. */
  appId: z.guid().toLowerCase(),
  /** The Bot Framework channel that the activities come from. */
  channelId: z
    .string()
    .regex(/^[a-z0-9-]{1,64}$/)
    .default('msteams'),
  cloud: z.enum(['public', 'us-government', 'china']).default('public'),
  /** For a cloud of one's own and for tests; who answers there says whose activities are genuine. */
  keysUrl: z
    .url({ protocol: /^https?$/ })
    .max(2_048)
    .optional(),
})

type Settings = z.infer<typeof Settings>

export const teams: Source<Settings> = {
  name: 'teams',
  title: 'Microsoft Teams',
  docs: 'docs/guide/sources/teams.md',
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
    hint: 'None: activities are proved by the keys that Microsoft publishes. The setting appId says for which bot.',
    generated: false,
  },
  skew: SKEW,
  refusalStatus: 403,
  ack: { status: 200 },
  warnings: ({ keysUrl }) =>
    keysUrl === undefined
      ? []
      : ['Keys are read from a URL of your own; who answers there can forge activities.'],
  key() {
    throw new RangeError('add a credential: Teams channels take none, Microsoft publishes its keys')
  },
  keyRef(request, settings) {
    const token = addressed(request, settings)
    if ('refused' in token) return token
    const { channelId, cloud, keysUrl = CLOUDS[cloud].keysUrl } = settings
    return {
      kind: 'jwks',
      url: keysUrl,
      kid: token.kid,
      algorithm: 'rsa-sha256',
      permits: ({ endorsements }) => Array.isArray(endorsements) && endorsements.includes(channelId),
    }
  },
  claim(request, settings) {
    const token = addressed(request, settings)
    return 'refused' in token ? token : bearerClaim(token, request)
  },
  facts(request, body, settings) {
    if (body.type !== 'json' || !isRecord(body.value)) return { malformed: 'body' }
    const type = textAt(body.value, 'type')
    if (type === undefined) return { malformed: 'type' }
    // The key is endorsed for one channel only, and the token is for one service.
    if (textAt(body.value, 'channelId') !== settings.channelId)
      return { malformed: 'channelId', contradicted: true }
    if (!isFromService(request, body.value)) return { malformed: 'serviceUrl', contradicted: true }
    return activity(body.value, type)
  },
}

/** The token, when it is of the right issuer and for this app. Nothing of it is proved yet. */
function addressed(request: RawRequest, { appId, cloud }: Settings): BearerToken | ClaimRefusal {
  const token = bearerToken(request)
  if ('refused' in token) return token
  if (token.payload['iss'] !== CLOUDS[cloud].issuer) return { refused: 'issuer' }
  return isFor(token.payload, appId) ? token : { refused: 'audience' }
}

/** The libraries read `serviceurl`, the documentation prints `serviceUrl`; when both are there, both must agree. */
function isFromService(request: RawRequest, body: Json): boolean {
  const token = bearerToken(request)
  if ('refused' in token) return false
  const told = [textOf(token.payload, 'serviceurl'), textOf(token.payload, 'serviceUrl')].filter(
    (url) => url !== undefined,
  )
  const claimed = textAt(body, 'serviceUrl')
  return claimed !== undefined && told.length > 0 && told.every((url) => url === claimed)
}

function activity(body: Json, type: string): Facts {
  const conversation = idAt(body, 'conversation', 'id')
  const id = idAt(body, 'id')
  const name = textAt(body, 'name') ?? textAt(body, 'action')
  const from = member(body, 'from')
  return {
    workspaces: named(idAt(body, 'channelData', 'tenant', 'id'), idAt(body, 'conversation', 'tenantId')),
    kind: KINDS.get(type) ?? 'other',
    // Updates carry the id of the message they change: only a message is named by it.
    ...given('deliveryId', type === 'message' ? messageId(conversation, id) : undefined),
    event: name === undefined ? type : `${type}/${name}`,
    ...given('actor', party(idAt(from, 'aadObjectId') ?? idAt(from, 'id'), textAt(from, 'name'))),
    ...given('conversation', party(conversation, textAt(body, 'conversation', 'name'))),
    ...given('text', textAt(body, 'text')),
    ...given('locale', textAt(body, 'locale')),
    ...given('ack', type === 'invoke' ? NOTHING_YET : undefined),
  }
}

function messageId(conversation: string | undefined, id: string | undefined): string | undefined {
  return conversation === undefined || id === undefined ? undefined : `${conversation}/${id}`
}
