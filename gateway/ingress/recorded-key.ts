/**
 * The vendor's key for a recorded request. In: a record that may hold the vendor's key set (`jwks`) or certificate (`certPem`),
 * which the listener would have fetched, and its source. Out: the credentials that this gives. Refuses what the source
 * refuses before any key is read: another issuer, another audience, a certificate from elsewhere.
 */
import { given, textAt } from './member.ts'
import { json } from './parse.ts'
import type { ClaimRefusal, KeyRef, RawRequest, Source } from './source.ts'
import { keyOf, readMaterial } from './vendor-material.ts'
import type { LiveCredential } from './verify.ts'

/** Stands for an empty list, which allows nothing and no channel can be made with. */
const NOBODYS = 'arn:aws:sns:us-east-1:000000000000:nobodys'

/** As much of a record as this needs. */
export interface KeyRecord {
  readonly certPem?: string | undefined
  readonly jwks?: unknown
  readonly allowedTopics?: readonly string[] | undefined
  readonly body?: string | undefined
}

/** `nowSeconds` is when the request came: a certificate must have been valid then. */
export function vendorCredentials(
  record: KeyRecord,
  source: Source,
  request: RawRequest,
  settings: unknown,
  nowSeconds: number,
): readonly LiveCredential[] | ClaimRefusal {
  const ref = refOf(source, request, settings)
  if (ref === undefined) return []
  if ('refused' in ref) return ref
  const held = ref.kind === 'jwks' ? JSON.stringify(record.jwks ?? null) : (record.certPem ?? '')
  const material = readMaterial(ref.kind, Buffer.from(held))
  const key = material === undefined ? undefined : keyOf(material, ref, nowSeconds * 1_000)
  return key === undefined ? [] : [key]
}

/** Settings of records from before channels had topics: what they list, or the topic they are of. */
export function topicSettings({ allowedTopics, body = '' }: KeyRecord): Record<string, unknown> {
  const parsed = json(Buffer.from(body))
  const topic = 'malformed' in parsed ? undefined : textAt(parsed.value, 'TopicArn')
  const listed = allowedTopics?.length === 0 ? [NOBODYS] : allowedTopics
  return given('topics', listed ?? (topic === undefined ? undefined : [topic]))
}

function refOf(source: Source, request: RawRequest, settings: unknown): KeyRef | ClaimRefusal | undefined {
  try {
    return source.keyRef?.(request, settings)
  } catch {
    return { refused: 'cert-url' }
  }
}
