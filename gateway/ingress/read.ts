/**
 * Reads what a proved delivery says. In: a `VerifiedDelivery`, its source and the channel's settings. Out: facts within
 * the bounds of `contract/envelope.ts`. Refuses a body that is not what the vendor sends, a workspace or delivery id
 * that cannot be one, and any failure of the reading itself. Names and text are cut to fit, ids never: a cut id is
 * another's.
 */
import { TEXT_CAP } from '@gatehouse/contract/envelope.ts'
import { kindNamed } from './kind.ts'
import { given } from './member.ts'
import { parse } from './parse.ts'
import type { Attachment, Facts, Malformed, Party, Source } from './source.ts'
import type { VerifiedDelivery } from './verify.ts'

/** Longest party id and name, workspace and event name; what the envelope carries. */
const NAME_CAP = 256
const DELIVERY_ID_CAP = 512
/** Longest language tag the envelope carries. */
const LOCALE_CAP = 35
/** Slack and Discord take ten files in a message. */
const ATTACHMENTS_CAP = 20
/** Longest URL that the dialler calls. */
const URL_CAP = 2_048
/** More workspaces than a channel is ever bound to. */
const WORKSPACES_CAP = 64

/** The facts of `verified`, parsed within limits. */
export function read(verified: VerifiedDelivery, source: Source, settings: unknown): Facts | Malformed {
  try {
    const { request } = verified
    const body = parse(request.body, source.bodies)
    if ('malformed' in body) return body
    const facts = source.facts(request, body, settings)
    return 'malformed' in facts ? facts : bounded(facts)
  } catch {
    return { malformed: 'decider-failed' }
  }
}

function bounded(facts: Facts): Facts | Malformed {
  const { workspaces } = facts
  if (workspaces.length > WORKSPACES_CAP || !workspaces.every((workspace) => isId(workspace, NAME_CAP))) {
    return { malformed: 'workspace' }
  }
  if (facts.deliveryId !== undefined && !isId(facts.deliveryId, DELIVERY_ID_CAP))
    return { malformed: 'delivery-id' }
  return {
    workspaces,
    kind: kindNamed(facts.kind),
    ...given('handshake', facts.handshake),
    ...given('challenge', facts.challenge),
    ...given('visit', facts.visit),
    ...given('deliveryId', facts.deliveryId),
    ...given('event', line(facts.event, NAME_CAP)),
    ...given('actor', person(facts.actor)),
    ...given('conversation', person(facts.conversation)),
    ...given('text', cut(facts.text, TEXT_CAP)),
    ...given('locale', line(facts.locale, LOCALE_CAP)),
    ...given('attachments', attached(facts.attachments)),
    ...given('ack', facts.ack),
  }
}

/** The attachments that can be told of and asked for; the raw body still names the others. */
function attached(attachments: readonly Attachment[] | undefined): readonly Attachment[] | undefined {
  const told = attachments?.slice(0, ATTACHMENTS_CAP).filter(({ id, url, size }) => {
    const counts = size === undefined || (Number.isSafeInteger(size) && size >= 0)
    return counts && isId(id, NAME_CAP) && isId(url, URL_CAP)
  })
  if (told === undefined || told.length === 0) return undefined
  return told.map(({ id, name, contentType, size, url }) => ({
    id,
    ...given('name', cut(name, NAME_CAP)),
    ...given('contentType', line(contentType, NAME_CAP)),
    ...given('size', size),
    url,
  }))
}

/** Text that can name something: not empty, not too long, whole characters, none of them a control. */
function isId(text: string, cap: number): boolean {
  return text !== '' && text.length <= cap && text.isWellFormed() && !/\p{Cc}/u.test(text)
}

function line(text: string | undefined, cap: number): string | undefined {
  return text !== undefined && isId(text, cap) ? text : undefined
}

function person(party: Party | undefined): Party | undefined {
  if (party === undefined || !isId(party.id, NAME_CAP)) return undefined
  return { id: party.id, ...given('name', cut(party.name, NAME_CAP)) }
}

/** At most `cap` UTF-16 units of `text`, never half a character. */
function cut(text: string | undefined, cap: number): string | undefined {
  if (text === undefined || text === '') return undefined
  const whole = text.toWellFormed()
  if (whole.length <= cap) return whole
  const kept = whole.slice(0, cap)
  return kept.isWellFormed() ? kept : kept.slice(0, -1)
}
