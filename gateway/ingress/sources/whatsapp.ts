/**
 * WhatsApp: the Cloud API's webhooks of one Meta app. In: entries of WhatsApp Business accounts. Out: the accounts and
 * phone numbers that they are about, and each message, status and change. Refuses, with `meta.ts`, what is not WhatsApp's.
 * https://developers.facebook.com/docs/whatsapp/cloud-api/guides/set-up-webhooks
 */
import type { Json } from '@gatehouse/proof/canonical.ts'
import { given, idAt, listAt, member, party, textAt } from '../member.ts'
import type { Event } from '../several.ts'
import { metaSource } from './meta.ts'

/** Meta tries for up to seven days. */
const RETRY_SPAN = 604_800

const KINDS: ReadonlyMap<string, string> = new Map([
  ['interactive', 'interaction'],
  ['button', 'interaction'],
  ['reaction', 'reaction'],
])

export const whatsapp = metaSource({
  name: 'whatsapp',
  title: 'WhatsApp',
  docs: 'docs/guide/sources/whatsapp.md',
  object: 'whatsapp_business_account',
  retrySpan: RETRY_SPAN,
  accounts: (entry) => [
    idAt(entry, 'id'),
    // Changes of the account itself name no number.
    ...listAt(entry, 'changes')
      .filter((change) => member(change, 'value', 'metadata') !== undefined)
      .map((change) => idAt(change, 'value', 'metadata', 'phone_number_id')),
  ],
  events: (entry) => listAt(entry, 'changes').flatMap((change) => changed(change)),
})

function changed(change: Json): readonly Event[] {
  const value = member(change, 'value')
  const contacts = listAt(value, 'contacts')
  const messages = listAt(value, 'messages').map((one) => message(one, contacts))
  const statuses = listAt(value, 'statuses').map(status)
  if (messages.length + statuses.length > 0) return [...messages, ...statuses]
  return [{ kind: 'other', ...given('event', textAt(change, 'field')) }]
}

function message(value: Json, contacts: readonly Json[]): Event {
  const type = textAt(value, 'type')
  const from = idAt(value, 'from')
  const contact = contacts.find((one) => from !== undefined && idAt(one, 'wa_id') === from)
  return {
    kind: (type !== undefined && KINDS.get(type)) || 'message',
    event: type === undefined ? 'messages' : `messages.${type}`,
    ...given('deliveryId', idAt(value, 'id')),
    ...given('actor', party(from, textAt(contact, 'profile', 'name'))),
    ...given('conversation', party(idAt(value, 'group_id') ?? from)),
    ...given('text', said(value, type)),
  }
}

/** What the person wrote or chose. */
function said(value: Json, type: string | undefined): string | undefined {
  return (
    textAt(value, 'text', 'body') ??
    textAt(value, 'button', 'text') ??
    textAt(value, 'interactive', 'button_reply', 'title') ??
    textAt(value, 'interactive', 'list_reply', 'title') ??
    textAt(value, 'reaction', 'emoji') ??
    (type === undefined ? undefined : textAt(value, type, 'caption'))
  )
}

/** All statuses of a message bear its id: only with status and time does it name one of them. */
function status(value: Json): Event {
  const parts = [idAt(value, 'id'), textAt(value, 'status'), idAt(value, 'timestamp')]
  return {
    kind: 'other',
    event: `statuses.${parts[1] ?? 'unknown'}`,
    ...given('deliveryId', parts.includes(undefined) ? undefined : parts.join(':')),
    ...given('conversation', party(idAt(value, 'recipient_id'))),
  }
}
