/**
 * The kinds of delivery there are. In: what a source calls a delivery. Out: that, when it is in the list. Refuses any other
 * word as `other`: a kind stands unsealed in the inbox, the audit log and the metrics, so no sender may choose it.
 */
const KINDS: ReadonlySet<string> = new Set([
  'account',
  'call',
  'challenge',
  'channel',
  'command',
  'comment',
  'customer',
  'event',
  'form',
  'incident',
  'installation',
  'interaction',
  'issue',
  'login',
  'member',
  'message',
  'notification',
  'order',
  'page',
  'payment',
  'privacy',
  'product',
  'pull-request',
  'push',
  'query',
  'reaction',
  'receipt',
  'release',
  'request',
  'subscription',
  'user',
])

export function kindNamed(word: string): string {
  return KINDS.has(word) ? word : 'other'
}
