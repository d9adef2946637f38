/**
 * Messenger: webhooks of the pages of one Meta app. In: entries of pages. Out: the pages, and each message, postback,
 * reaction and change. Refuses, with `meta.ts`, what is not Messenger's. Also holds how Messenger and Instagram write an
 * entry, which they do alike.
 * https://developers.facebook.com/docs/messenger-platform/webhooks
 */
import type { Json } from '@gatehouse/proof/canonical.ts'
import { given, idAt, listAt, member, party, textAt } from '../member.ts'
import type { Event } from '../several.ts'
import { metaSource } from './meta.ts'

/** Meta tries for up to 36 hours; three days leave room for a late queue. */
export const RETRY_SPAN = 259_200

/** Members of a messaging item that hold what happened, and what that is called here. */
const KINDS: ReadonlyMap<string, string> = new Map([
  ['message', 'message'],
  ['message_edit', 'message'],
  ['postback', 'interaction'],
  ['reaction', 'reaction'],
  ['optin', 'member'],
  ['read', 'other'],
  ['delivery', 'other'],
  ['referral', 'other'],
])

export const messenger = metaSource({
  name: 'messenger',
  title: 'Messenger',
  docs: 'docs/guide/sources/messenger.md',
  object: 'page',
  retrySpan: RETRY_SPAN,
  accounts: (entry) => [idAt(entry, 'id')],
  events: entryEvents,
})

/** What an entry holds: messaging of the app, of another app that it only watches, or changes of a feed. */
export function entryEvents(entry: Json): readonly Event[] {
  const account = idAt(entry, 'id')
  return [
    ...listAt(entry, 'messaging').map((item) => messaging(item, account, '')),
    ...listAt(entry, 'standby').map((item) => messaging(item, account, 'standby.')),
    ...listAt(entry, 'changes').map(changed),
  ]
}

function messaging(item: Json, account: string | undefined, prefix: string): Event {
  const name = [...KINDS.keys()].find((one) => member(item, one) !== undefined)
  const sender = idAt(item, 'sender', 'id')
  const isEcho = member(item, 'message', 'is_echo') === true
  const event = isEcho ? 'message_echo' : name
  return {
    kind: (name !== undefined && KINDS.get(name)) || 'other',
    ...given('deliveryId', prefix === '' ? messageId(item) : undefined),
    ...given('event', event === undefined ? undefined : prefix + event),
    ...given('actor', party(sender)),
    ...given('conversation', party(sender === account ? idAt(item, 'recipient', 'id') : sender)),
    ...given('text', said(item)),
  }
}

/** Reactions, edits and deletions bear the id of the message they are about: no name of their own. */
function messageId(item: Json): string | undefined {
  if (member(item, 'message', 'is_deleted') === true) return undefined
  return idAt(item, 'message', 'mid') ?? idAt(item, 'postback', 'mid')
}

function said(item: Json): string | undefined {
  return (
    textAt(item, 'message', 'text') ??
    textAt(item, 'message_edit', 'text') ??
    textAt(item, 'postback', 'title') ??
    textAt(item, 'reaction', 'emoji')
  )
}

function changed(change: Json): Event {
  const field = textAt(change, 'field')
  const value = member(change, 'value')
  const isComment = field === 'comments' || field === 'live_comments' || textAt(value, 'item') === 'comment'
  return {
    kind: isComment ? 'comment' : 'other',
    ...given('event', field),
    ...given(
      'actor',
      party(idAt(value, 'from', 'id'), textAt(value, 'from', 'username') ?? textAt(value, 'from', 'name')),
    ),
    ...given('conversation', party(idAt(value, 'media', 'id') ?? idAt(value, 'post_id'))),
    ...given('text', textAt(value, 'text') ?? textAt(value, 'message')),
  }
}
