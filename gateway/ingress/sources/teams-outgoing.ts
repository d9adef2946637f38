/**
 * Microsoft Teams outgoing webhooks: messages that mention the webhook in one team. In: requests signed with the
 * webhook's security token over the body. Out: claims and facts. Refuses tokens that are not base64 and bodies without
 * a `type`. No time is signed. Bots of the Bot Framework are another source: those carry a token of Microsoft's.
 * https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/add-outgoing-webhook
 */
import { z } from 'zod'
import { fromBase64 } from '@gatehouse/proof/bytes.ts'
import { macKey } from '@gatehouse/proof/webhook.ts'
import { after, base64Mac, malformed, required } from '../header.ts'
import { given, idAt, isRecord, named, party, textAt } from '../member.ts'
import type { Answer, Source } from '../source.ts'

const AUTHORIZATION = 'authorization'
/** None is documented; a day covers a proxy or a late queue. */
const RETRY_SPAN = 86_400
const BODY_CAP = 1_048_576
/** Teams makes 32 bytes; fewer than 16 is a token that was cut. */
const KEY_MIN = 16

const Settings = z.strictObject({
  /** What Teams shows below the message when the app does not answer in time itself. */
  reply: z.string().min(1).max(1_024).default('Received.'),
})

type Settings = z.infer<typeof Settings>

export const teamsOutgoing: Source<Settings> = {
  name: 'teams-outgoing',
  title: 'Microsoft Teams outgoing webhook',
  docs: 'docs/guide/sources/teams-outgoing.md',
  methods: ['POST'],
  contentTypes: ['application/json'],
  bodies: ['json'],
  namesWorkspace: 'sometimes',
  bodyCap: BODY_CAP,
  tolerance: undefined,
  retrySpan: RETRY_SPAN,
  settings: Settings,
  credential: {
    kind: 'secret',
    hint: 'Security token, base64, shown once when the outgoing webhook is made in the team.',
    generated: false,
  },
  refusalStatus: 401,
  ack: message('Received.'),
  key(secret) {
    const raw = fromBase64(secret)
    if (raw === undefined) throw new RangeError('read the security token: it is not base64')
    if (raw.length < KEY_MIN)
      throw new RangeError(`read the security token: ${raw.length} bytes, wanted at least ${KEY_MIN}`)
    return macKey('hmac-sha256', raw)
  },
  claim(request) {
    const headers = required(request, AUTHORIZATION)
    if ('refused' in headers) return headers
    const value = base64Mac(after('HMAC ', headers[0]))
    if (value === undefined) return malformed(AUTHORIZATION)
    return { sentAt: undefined, signed: [request.body], signatures: [{ algorithm: 'hmac-sha256', value }] }
  },
  facts(_request, body, { reply }) {
    if (body.type !== 'json' || !isRecord(body.value)) return { malformed: 'body' }
    const { value } = body
    const event = textAt(value, 'type')
    if (event === undefined) return { malformed: 'type' }
    return {
      workspaces: named(
        idAt(value, 'channelData', 'tenant', 'id') ?? idAt(value, 'conversation', 'tenantId'),
      ),
      kind: event === 'message' ? 'message' : 'other',
      event,
      ack: message(reply),
      ...given('deliveryId', idAt(value, 'id')),
      ...given(
        'actor',
        party(idAt(value, 'from', 'aadObjectId') ?? idAt(value, 'from', 'id'), textAt(value, 'from', 'name')),
      ),
      ...given(
        'conversation',
        party(idAt(value, 'conversation', 'id'), textAt(value, 'conversation', 'name')),
      ),
      ...given('text', textAt(value, 'text')),
      ...given('locale', textAt(value, 'locale')),
    }
  },
}

/** Teams shows an error to the person unless the answer is a message. */
function message(text: string): Answer {
  return { status: 200, contentType: 'application/json', body: JSON.stringify({ type: 'message', text }) }
}
