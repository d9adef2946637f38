/**
 * Any sender that signs with an HMAC in a header. In: requests, and settings that say which header, how it is written
 * and over what. Out: claims and facts. Refuses, when the channel is made, settings that contradict themselves or would
 * trust a time that is not signed; and at the door what those settings do not describe.
 */
import { z } from 'zod'
import { fromBase64Url } from '@gatehouse/proof/bytes.ts'
import type { MacAlgorithm, SignedParts } from '@gatehouse/proof/webhook.ts'
import {
  SIGNATURES_CAP,
  after,
  base64Mac,
  deliveryId,
  hexMac,
  malformed,
  required,
  wholeTime,
} from '../header.ts'
import { given, idAt, named, textAt } from '../member.ts'
import { randomText, textKey } from '../secret.ts'
import type { Claim, ClaimRefusal, RawRequest, Source } from '../source.ts'

const TOLERANCE = 300
/** A window of a day is no window any more. */
const TOLERANCE_CAP = 86_400
/** Unknown senders: as long as the longest known one. */
const RETRY_SPAN = 259_200
const BODY_CAP = 1_048_576
const MILLISECONDS_FROM = 1e11

/** A field name of RFC 9110, kept in lower case as requests carry it. */
const headerName = z
  .string()
  .toLowerCase()
  .regex(/^[!#$%&'*+\-.^_`|~0-9a-z]{1,64}$/, 'not a header name')
/** Own member names joined by full stops, such as `data.id`. */
const path = z.string().min(1).max(256)

const Settings = z
  .strictObject({
    header: headerName,
    prefix: z.string().max(64).default(''),
    /** Whether a signature may also come without the prefix. */
    prefixOptional: z.boolean().default(false),
    /** What stands between several signatures; without it there is one. */
    multiple: z.string().min(1).max(2).optional(),
    algorithm: z.enum(['sha1', 'sha256', 'sha384', 'sha512']).default('sha256'),
    encoding: z.enum(['hex', 'base64', 'base64url']).default('hex'),
    /** What is signed: literal text with `{timestamp}`, `{id}` and `{body}`. */
    template: z.string().min(1).max(256).default('{body}'),
    timestampHeader: headerName.optional(),
    timestampUnit: z.enum(['s', 'ms', 'auto']).default('s'),
    idHeader: headerName.optional(),
    /** Seconds; counts only where a time is signed. */
    tolerance: z.int().min(1).max(TOLERANCE_CAP).default(TOLERANCE),
    deliveryIdPath: path.optional(),
    workspacePath: path.optional(),
    kindPath: path.optional(),
    ack: z
      .strictObject({
        status: z.int().min(200).max(299).default(200),
        contentType: z
          .string()
          .max(128)
          .regex(/^[\x20-\x7e]+$/)
          .optional(),
        body: z.string().max(1_024).optional(),
      })
      .optional(),
  })
  .superRefine((settings, context) => {
    for (const [field, message] of contradictions(settings))
      context.addIssue({ code: 'custom', path: [field], message })
  })

type Settings = z.infer<typeof Settings>

export const genericHmac: Source<Settings> = {
  name: 'generic-hmac',
  title: 'Any HMAC-signed webhook',
  docs: 'docs/guide/sources/generic-hmac.md',
  methods: ['POST'],
  contentTypes: undefined,
  bodies: ['json', 'text'],
  // A bound channel that does not say where the workspace stands could hold nobody to its binding: it refuses.
  namesWorkspace: 'always',
  bodyCap: BODY_CAP,
  tolerance: undefined,
  retrySpan: RETRY_SPAN,
  settings: Settings,
  credential: {
    kind: 'secret',
    hint: 'The secret shared with the sender; its UTF-8 bytes are the key.',
    generated: true,
    make: randomText,
  },
  refusalStatus: 401,
  ack: { status: 200 },
  toleranceOf: (settings) => (settings.timestampHeader === undefined ? undefined : settings.tolerance),
  warnings,
  variants,
  key: (secret, settings) => textKey(algorithmOf(settings), secret),
  claim,
  facts(_request, body, settings) {
    const value = body.type === 'json' ? body.value : undefined
    const at = (names: string | undefined) =>
      names === undefined ? undefined : idAt(value, ...names.split('.'))
    const workspace = at(settings.workspacePath)
    // A channel that says where the workspace stands takes nothing that does not say it there.
    if (settings.workspacePath !== undefined && workspace === undefined) return { malformed: 'workspace' }
    const event = settings.kindPath === undefined ? undefined : textAt(value, ...settings.kindPath.split('.'))
    return {
      workspaces: named(workspace),
      kind: event?.toLowerCase().replaceAll(/[._]/g, '-') ?? 'other',
      ...given('deliveryId', at(settings.deliveryIdPath)),
      ...given('event', event),
      ...given('ack', ackOf(settings)),
    }
  },
}

function claim(request: RawRequest, settings: Settings): Claim | ClaimRefusal {
  const headers = required(request, settings.header, ...signedHeaders(settings))
  if ('refused' in headers) return headers
  const time = valueOf(request, settings.timestampHeader)
  const sentAt = time === undefined ? undefined : secondsOf(time, settings)
  if (settings.timestampHeader !== undefined && sentAt === undefined)
    return malformed(settings.timestampHeader)
  const id = deliveryId(valueOf(request, settings.idHeader))
  if (settings.idHeader !== undefined && !isSignable(id, settings)) return malformed(settings.idHeader)
  const values = signaturesIn(headers[0], settings)
  if (values === undefined) return malformed(settings.header)
  const algorithm = algorithmOf(settings)
  return {
    sentAt,
    signed: filled(settings.template, time ?? '', id ?? '', request.body),
    signatures: values.map((value) => ({ algorithm, value })),
    ...given('deliveryId', id),
  }
}

const TEMPLATES = [
  '{body}',
  '{timestamp}.{body}',
  '{timestamp}:{body}',
  '{timestamp}{body}',
  '{id}.{timestamp}.{body}',
]

/** Settings that senders are often found to use in place of the ones written down; one thing differs in each. */
function variants(request: RawRequest, settings: Settings) {
  const { algorithm, encoding, template, timestampHeader, idHeader } = settings
  const possible = TEMPLATES.filter(
    (one) =>
      (!one.includes('{timestamp}') || timestampHeader !== undefined) &&
      (!one.includes('{id}') || idHeader !== undefined),
  )
  const changes: readonly (readonly [string, Partial<Settings>])[] = [
    ...(['sha1', 'sha256', 'sha384', 'sha512'] as const).map(
      (other) => [`with HMAC-${other.toUpperCase()}: algorithm=${other}`, { algorithm: other }] as const,
    ),
    ...(['hex', 'base64', 'base64url'] as const).map(
      (other) => [`in ${other}: encoding=${other}`, { encoding: other }] as const,
    ),
    ...possible.map((other) => [`over template=${other}`, { template: other }] as const),
  ]
  const own = JSON.stringify({ algorithm, encoding, template })
  return changes
    .map(([says, change]) => ({ says, settings: { ...settings, ...change } }))
    .filter((one) => {
      const { algorithm: a, encoding: e, template: t } = one.settings
      return (
        JSON.stringify({ algorithm: a, encoding: e, template: t }) !== own &&
        !('refused' in claim(request, one.settings))
      )
    })
}

/** Headers that are signed over and so must be there. An id that is not signed may be missing. */
function signedHeaders(settings: Settings): readonly string[] {
  return named(settings.timestampHeader, signsId(settings) ? settings.idHeader : undefined)
}

function valueOf(request: RawRequest, name: string | undefined): string | undefined {
  return name === undefined ? undefined : request.headers.get(name)
}

/** The template with what stands for its names, in order. */
function filled(template: string, time: string, id: string, body: Buffer): SignedParts {
  const parts: ReadonlyMap<string, string | Buffer> = new Map<string, string | Buffer>([
    ['{timestamp}', time],
    ['{id}', id],
    ['{body}', body],
  ])
  return pieces(template).map((piece) => parts.get(piece) ?? piece)
}

function pieces(template: string): readonly string[] {
  return template.split(/(\{timestamp\}|\{id\}|\{body\})/).filter((piece) => piece !== '')
}

function secondsOf(text: string, settings: Settings): number | undefined {
  const time = wholeTime(text)
  if (time === undefined) return undefined
  const isMilliseconds =
    settings.timestampUnit === 'ms' || (settings.timestampUnit === 'auto' && time >= MILLISECONDS_FROM)
  return isMilliseconds ? time / 1000 : time
}

/** Of several, unreadable ones count as not there; a single one must be readable. */
function signaturesIn(text: string, settings: Settings): readonly Buffer[] | undefined {
  if (settings.multiple === undefined) {
    const value = decoded(text, settings)
    return value === undefined ? undefined : [value]
  }
  const entries = text.split(settings.multiple, SIGNATURES_CAP + 1)
  if (entries.length > SIGNATURES_CAP) return undefined
  return entries.map((entry) => decoded(entry, settings)).filter((value) => value !== undefined)
}

function decoded(text: string, { prefix, prefixOptional, encoding }: Settings): Buffer | undefined {
  const value = after(prefix, text) ?? (prefixOptional ? text : undefined)
  if (encoding === 'hex') return hexMac(value)
  if (encoding === 'base64') return base64Mac(value)
  if (value === undefined || !/^[0-9a-zA-Z_-]*={0,2}$/.test(value)) return undefined
  return fromBase64Url(value) ?? Buffer.alloc(0)
}

/** A signed id must not hold the text that ends it in the template, or one signed text could be cut in two ways. */
function isSignable(id: string | undefined, settings: Settings): boolean {
  if (!signsId(settings)) return true
  const list = pieces(settings.template)
  const next = list[list.indexOf('{id}') + 1]
  return id !== undefined && (next === undefined || !id.includes(next))
}

function signsId({ template }: Settings): boolean {
  return template.includes('{id}')
}

function algorithmOf({ algorithm }: Settings): MacAlgorithm {
  return `hmac-${algorithm}`
}

function ackOf({ ack }: Settings) {
  if (ack === undefined) return undefined
  return { status: ack.status, ...given('contentType', ack.contentType), ...given('body', ack.body) }
}

function contradictions(settings: Settings): readonly (readonly [keyof Settings, string])[] {
  const { template, timestampHeader, idHeader, header, prefix, prefixOptional } = settings
  const list = pieces(template)
  const twice = ['{timestamp}', '{id}', '{body}'].filter(
    (name) => list.indexOf(name) !== list.lastIndexOf(name),
  )
  const rules: readonly (readonly [boolean, keyof Settings, string])[] = [
    [!list.includes('{body}'), 'template', 'must hold {body}: otherwise any body passes'],
    [twice.length > 0, 'template', 'may hold each name once'],
    [
      /\{id\}\{body\}|\{body\}\{id\}/.test(template),
      'template',
      'needs text between {id} and {body}: otherwise bytes can move from one to the other',
    ],
    [
      list.includes('{timestamp}') && timestampHeader === undefined,
      'timestampHeader',
      'is needed by {timestamp}',
    ],
    [
      !list.includes('{timestamp}') && timestampHeader !== undefined,
      'timestampHeader',
      'is not signed: the template must hold {timestamp}',
    ],
    [list.includes('{id}') && idHeader === undefined, 'idHeader', 'is needed by {id}'],
    [
      header === timestampHeader || header === idHeader,
      'header',
      'must be another than those of time and id',
    ],
    [prefixOptional && prefix === '', 'prefixOptional', 'needs a prefix'],
  ]
  return rules.filter(([broken]) => broken).map(([, field, message]) => [field, message])
}

function warnings(settings: Settings): readonly string[] {
  const weak: string[] = []
  if (settings.algorithm === 'sha1') weak.push('SHA-1 is old: choose SHA-256 or more if the sender can.')
  if (settings.timestampHeader === undefined) {
    weak.push(
      'No time is signed: a delivery copied on the way can come again once the replay memory has forgotten it.',
    )
  }
  if (settings.idHeader !== undefined && !signsId(settings)) {
    weak.push(
      'The id header is not signed: it can be changed on the way. The digest of what is signed is remembered beside it.',
    )
  }
  return weak
}
