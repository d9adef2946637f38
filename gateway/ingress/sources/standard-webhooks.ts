/**
 * Standard Webhooks, for every sender that follows the specification. In: requests signed over `{id}.{timestamp}.{body}`
 * with HMAC-SHA-256 (`v1`, secrets `whsec_…`) or Ed25519 (`v1a`, public keys `whpk_…`). Out: claims and facts. Refuses
 * ids with a full stop, which would let one signed text be cut in two ways, and secrets outside 24 to 64 bytes.
 * https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
import { z } from 'zod'
import { fromBase64 } from '@gatehouse/proof/bytes.ts'
import { type ClaimedSignature, type VerifyingKey, ed25519Key, macKey } from '@gatehouse/proof/webhook.ts'
import { SIGNATURES_CAP, base64Mac, deliveryId, malformed, required, wholeTime } from '../header.ts'
import { given, textAt } from '../member.ts'
import type { Claim, ClaimRefusal, RawRequest, Source } from '../source.ts'

/** What the reference libraries allow, to both sides. */
const TOLERANCE = 300
/** Senders are advised to repeat for over a day; three are the longest in use. */
const RETRY_SPAN = 259_200
/** Above the 1 MiB that the libraries' own suites send. */
const BODY_CAP = 1_048_576
/** Bytes of a secret, by the specification. */
const SECRET_MIN = 24
const SECRET_MAX = 64

const ALGORITHMS: ReadonlyMap<string, ClaimedSignature['algorithm']> = new Map([
  ['v1', 'hmac-sha256'],
  ['v1a', 'ed25519'],
])

export const standardWebhooks = following('webhook', {
  name: 'standard-webhooks',
  title: 'Standard Webhooks',
  docs: 'docs/guide/sources/standard-webhooks.md',
})

/** The scheme under headers `{prefix}-id`, `{prefix}-timestamp` and `{prefix}-signature`, and no others. */
export function following(
  prefix: string,
  named: Pick<Source, 'name' | 'title' | 'docs'>,
): Source<Record<string, never>> {
  return {
    ...named,
    methods: ['POST'],
    contentTypes: undefined,
    bodies: ['json', 'text'],
    namesWorkspace: 'never',
    bodyCap: BODY_CAP,
    tolerance: TOLERANCE,
    retrySpan: RETRY_SPAN,
    settings: z.strictObject({}),
    credential: {
      kind: 'secret',
      hint: 'Signing secret of the endpoint (whsec_…), or the sender’s public key (whpk_…).',
      generated: true,
      make: (random) => `whsec_${Buffer.from(random).toString('base64')}`,
    },
    refusalStatus: 401,
    ack: { status: 204 },
    key,
    claim: (request) => claim(prefix, request),
    facts: (_request, body) => ({
      workspaces: [],
      kind: 'other',
      ...given('event', body.type === 'json' ? textAt(body.value, 'type') : undefined),
    }),
  }
}

function key(secret: string): VerifyingKey {
  const isPublic = secret.startsWith('whpk_')
  const raw = fromBase64(secret.replace(/^(whsec|whpk)_/, ''))
  if (raw === undefined)
    throw new RangeError('read the signing secret: it is not base64 after whsec_ or whpk_')
  if (isPublic) return ed25519Key(raw)
  if (raw.length < SECRET_MIN || raw.length > SECRET_MAX) {
    throw new RangeError(
      `read the signing secret: ${raw.length} bytes, wanted ${SECRET_MIN} to ${SECRET_MAX}`,
    )
  }
  return macKey('hmac-sha256', raw)
}

function claim(prefix: string, request: RawRequest): Claim | ClaimRefusal {
  const ID = `${prefix}-id`
  const TIMESTAMP = `${prefix}-timestamp`
  const SIGNATURE = `${prefix}-signature`
  const headers = required(request, ID, TIMESTAMP, SIGNATURE)
  if ('refused' in headers) return headers
  const [idText, time, list] = headers
  const id = deliveryId(idText)
  if (id === undefined || id.includes('.')) return malformed(ID)
  const sentAt = wholeTime(time)
  if (sentAt === undefined) return malformed(TIMESTAMP)
  const signatures = signaturesIn(list)
  if (signatures === undefined) return malformed(SIGNATURE)
  return { sentAt, signed: [id, '.', time, '.', request.body], signatures, deliveryId: id }
}

/** The `v1` and `v1a` entries of a list; other versions and unreadable entries count as not there. */
function signaturesIn(list: string): readonly ClaimedSignature[] | undefined {
  const entries = list.split(' ', SIGNATURES_CAP + 1)
  if (entries.length > SIGNATURES_CAP) return undefined
  return entries.flatMap((entry) => {
    const comma = entry.indexOf(',')
    const algorithm = ALGORITHMS.get(entry.slice(0, Math.max(comma, 0)))
    const value = base64Mac(entry.slice(comma + 1))
    return algorithm === undefined || value === undefined ? [] : [{ algorithm, value }]
  })
}
