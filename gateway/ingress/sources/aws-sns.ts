/**
 * Amazon SNS: messages of the topics a channel lists. In: JSON that carries its own signature, over some of its members in
 * a fixed order, and says where the certificate is. Out: claims and facts; a subscription is confirmed by a visit. Refuses
 * topics that are not listed (anyone can own a topic), a certificate from elsewhere than the topic's region, members that
 * stand twice, and signature versions but 1 and 2.
 * https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
 */
import { z } from 'zod'
import type { Json } from '@gatehouse/proof/canonical.ts'
import { base64Mac, malformed } from '../header.ts'
import { given, isRecord, member, textAt } from '../member.ts'
import { json } from '../parse.ts'
import type { ClaimRefusal, Facts, Malformed, RawRequest, Source } from '../source.ts'

/** Messages are repeated for up to an hour under the time of their publication. */
const TOLERANCE = 3_600
const RETRY_SPAN = 3_600
/** 256 KB of message, which JSON may spell longer. */
const BODY_CAP = 1_048_576
/** A message has some ten members and its attributes; it is read before it is proved. */
const MEMBERS_CAP = 1_000
const TOPICS_CAP = 64

const ARN = /^arn:(aws|aws-cn|aws-us-gov):sns:([a-z0-9-]{3,32}):(\d{12}):[A-Za-z0-9_-]{1,256}(?:\.fifo)?$/
const MESSAGE_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/
/** One segment and no query: Amazon's API answers queries on the same host with text that anyone may have stored. */
const CERTIFICATE = /^\/[A-Za-z0-9_-]{1,128}\.pem$/
// oxlint-disable-next-line no-control-regex -- control characters are what it is about
const CONTROL = /[\u0000-\u001f\u007f]/

/** Members that are signed, in order, by type. */
const SIGNED = {
  Notification: ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'],
  SubscriptionConfirmation: [
    'Message',
    'MessageId',
    'SubscribeURL',
    'Timestamp',
    'Token',
    'TopicArn',
    'Type',
  ],
  UnsubscribeConfirmation: ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'],
} as const

type Type = keyof typeof SIGNED

const ALGORITHMS = { '1': 'rsa-sha1', '2': 'rsa-sha256' } as const

const Settings = z.strictObject({
  /** Topics whose messages are taken, by their whole ARN. */
  topics: z.array(z.string().regex(ARN, 'is not the ARN of a topic')).min(1).max(TOPICS_CAP),
  /** Takes signature version 2 only, for topics that are set to it. */
  requireSha256: z.boolean().default(false),
})

type Settings = z.infer<typeof Settings>

/** A message whose form holds. Nothing of it is proved. */
interface Message {
  readonly type: Type
  readonly value: Json
  readonly topic: string
  readonly account: string
  /** The one host of the topic's region. */
  readonly host: string
  readonly version: keyof typeof ALGORITHMS
}

export const awsSns: Source<Settings> = {
  name: 'aws-sns',
  title: 'Amazon SNS',
  docs: 'docs/guide/sources/aws-sns.md',
  methods: ['POST'],
  // SNS says text/plain, and what an operator has set on the subscription.
  contentTypes: ['text/plain', 'application/json'],
  bodies: ['json'],
  namesWorkspace: 'always',
  bodyCap: BODY_CAP,
  tolerance: TOLERANCE,
  retrySpan: RETRY_SPAN,
  settings: Settings,
  credential: {
    kind: 'public-key',
    hint: 'None: messages are proved by the certificates that Amazon publishes. The setting topics says which are taken.',
    generated: false,
  },
  refusalStatus: 401,
  ack: { status: 200 },
  key() {
    throw new RangeError('add a credential: Amazon SNS channels take none, Amazon publishes its certificates')
  },
  keyRef(request, settings) {
    const message = listed(request, settings)
    if ('refused' in message) return message
    const { value, host, version } = message
    const url = textAt(value, 'SigningCertURL')
    const origin = `https://${host}`
    if (url === undefined || !url.startsWith(origin) || !CERTIFICATE.test(url.slice(origin.length)))
      return { refused: 'cert-url' }
    const suffix = host.replace(/^sns\.[^.]+\./, '')
    return { kind: 'x509', url, algorithm: ALGORITHMS[version], names: [`sns.${suffix}`, host] }
  },
  claim(request, settings) {
    const message = listed(request, settings)
    if ('refused' in message) return message
    const { value, type, version } = message
    const signature = base64Mac(textAt(value, 'Signature'))
    if (signature === undefined) return malformed('Signature')
    return {
      sentAt: Date.parse(textAt(value, 'Timestamp') ?? '') / 1_000,
      signed: [signedText(value, type)],
      signatures: [{ algorithm: ALGORITHMS[version], value: signature }],
    }
  },
  facts(request, _body, settings) {
    const message = listed(request, settings)
    return 'refused' in message ? { malformed: 'body' } : told(message)
  },
}

/** The message, when its topic is one that the channel takes. */
function listed(request: RawRequest, { topics, requireSha256 }: Settings): Message | ClaimRefusal {
  const message = formed(request)
  if ('refused' in message) return message
  if (requireSha256 && message.version !== '2') return malformed('SignatureVersion')
  return topics.includes(message.topic) ? message : { refused: 'audience' }
}

/**
 * Only `Message` may hold line breaks. In any other member they could move what is signed from one member to the next
 * and leave the signature good.
 */
function formed({ body }: RawRequest): Message | ClaimRefusal {
  const parsed = body.length > BODY_CAP ? undefined : json(body, MEMBERS_CAP)
  if (parsed === undefined || 'malformed' in parsed || !isRecord(parsed.value)) return malformed('body')
  const { value } = parsed
  const type = textAt(value, 'Type')
  if (type === undefined || !isType(type)) return malformed('Type')
  const odd = SIGNED[type].find((name) => !isWellFormed(name, member(value, name)))
  if (odd !== undefined) return malformed(odd)
  const version = textAt(value, 'SignatureVersion')
  if (version !== '1' && version !== '2') return malformed('SignatureVersion')
  const topic = textAt(value, 'TopicArn') ?? ''
  const [, partition, region = '', account = ''] = ARN.exec(topic) ?? []
  const host = `sns.${region}.amazonaws.com${partition === 'aws-cn' ? '.cn' : ''}`
  // Last, since it looks at every member: a stranger's body seldom gets here.
  if (hasDoubledMember(body)) return malformed('body')
  return { type, value, topic, account, host, version }
}

function isType(type: string): type is Type {
  return Object.hasOwn(SIGNED, type)
}

function isWellFormed(name: (typeof SIGNED)[Type][number], value: Json | undefined): boolean {
  if (name === 'Subject') return value === undefined || value === null || isLine(value)
  if (typeof value !== 'string') return false
  switch (name) {
    case 'Message':
    case 'Type':
      return true
    case 'MessageId':
      return MESSAGE_ID.test(value)
    case 'Timestamp':
      return TIME.test(value) && Number.isFinite(Date.parse(value))
    case 'TopicArn':
      return ARN.test(value)
    case 'Token':
    case 'SubscribeURL':
      return isLine(value)
  }
}

function isLine(value: Json): boolean {
  return typeof value === 'string' && !CONTROL.test(value)
}

/** `name`, line break, value, line break, for every member that is there. */
function signedText(value: Json, type: Type): string {
  return SIGNED[type]
    .map((name) => {
      const content = member(value, name)
      return typeof content === 'string' ? `${name}\n${content}\n` : ''
    })
    .join('')
}

/**
 * Whether a member of the outermost object stands twice. The body's bytes are not signed: what we read last, an app
 * behind us might read first, and only one of them is what Amazon signed.
 */
function hasDoubledMember(body: Buffer): boolean {
  const text = body.toString('utf8')
  const names = new Set<unknown>()
  let depth = 0
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"(?:\s*:)?|[{}[\]]/g)) {
    if (token === '{' || token === '[') depth++
    else if (token === '}' || token === ']') depth--
    else if (depth === 1 && token.endsWith(':')) {
      const name: unknown = JSON.parse(token.slice(0, token.lastIndexOf('"') + 1))
      if (names.has(name)) return true
      names.add(name)
    }
  }
  return false
}

function told(message: Message): Facts | Malformed {
  const { type, value, topic, account } = message
  const common = {
    workspaces: [account],
    event: type,
    conversation: { id: topic },
    ...given('deliveryId', textAt(value, 'MessageId')),
  }
  if (type === 'SubscriptionConfirmation') {
    const visit = confirmation(message)
    if (visit === undefined) return { malformed: 'SubscribeURL' }
    return { ...common, kind: 'other', visit, handshake: { status: 200 } }
  }
  // The end of a subscription is for people to know; visiting its URL would undo it.
  if (type === 'UnsubscribeConfirmation') return { ...common, kind: 'installation' }
  return { ...common, kind: 'notification', ...given('text', textAt(value, 'Message')) }
}

/** The URL that confirms this subscription and nothing else. */
function confirmation({ value, host, topic }: Message): string | undefined {
  const text = textAt(value, 'SubscribeURL') ?? ''
  if (!text.startsWith(`https://${host}/?`) || !URL.canParse(text)) return undefined
  const { searchParams: asked, host: named } = new URL(text)
  const fits =
    asked.get('Action') === 'ConfirmSubscription' &&
    asked.get('TopicArn') === topic &&
    asked.get('Token') === textAt(value, 'Token')
  return fits && named === host ? text : undefined
}
