/**
 * Instagram: webhooks of the professional accounts of one Meta app. In: entries of accounts. Out: the accounts, and each
 * message, reaction, comment and change. Refuses, with `meta.ts`, what is not Instagram's.
 * https://developers.facebook.com/docs/instagram-platform/webhooks
 */
import { idAt } from '../member.ts'
import { entryEvents, RETRY_SPAN } from './messenger.ts'
import { metaSource } from './meta.ts'

export const instagram = metaSource({
  name: 'instagram',
  title: 'Instagram',
  docs: 'docs/guide/sources/instagram.md',
  object: 'instagram',
  retrySpan: RETRY_SPAN,
  accounts: (entry) => [idAt(entry, 'id')],
  events: entryEvents,
})
