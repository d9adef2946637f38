/**
 * Bodies that hold several events, as Meta and LINE send them. In: the facts of each event. Out: the facts of the one
 * delivery, which say only what is true of all of them. Refuses nothing; an event without an id leaves the delivery
 * without one, so that its digest alone says whether it came before.
 */
import { signedDigest } from '@gatehouse/proof/webhook.ts'
import { given } from './member.ts'
import type { Facts, Party } from './source.ts'

/** What one event of several says. */
export type Event = Pick<
  Facts,
  'kind' | 'event' | 'deliveryId' | 'actor' | 'conversation' | 'text' | 'locale'
>

/** The delivery that holds `events`. One event speaks for itself. */
export function together(workspaces: readonly string[], events: readonly Event[]): Facts {
  const [only] = events
  if (only !== undefined && events.length === 1) return { workspaces, ...only }
  return {
    workspaces,
    kind: common(events.map(({ kind }) => kind)) ?? 'other',
    ...given('deliveryId', idOfAll(events.map(({ deliveryId }) => deliveryId))),
    ...given('event', common(events.map(({ event }) => event))),
    ...given('actor', commonParty(events.map(({ actor }) => actor))),
    ...given('conversation', commonParty(events.map(({ conversation }) => conversation))),
  }
}

/** A delivery id from the bytes themselves, where a vendor repeats the same body under a new time. */
export function digestId(...parts: readonly (string | Uint8Array)[]): string {
  return `sha256:${signedDigest(parts).toString('hex')}`
}

/** One id for all, in their order; as JSON, so that no two lists give the same text. */
function idOfAll(ids: readonly (string | undefined)[]): string | undefined {
  return ids.length === 0 || ids.includes(undefined) ? undefined : digestId(JSON.stringify(ids))
}

function common<T>(values: readonly (T | undefined)[]): T | undefined {
  const [first] = values
  return values.every((value) => value === first) ? first : undefined
}

function commonParty(parties: readonly (Party | undefined)[]): Party | undefined {
  return common(parties.map((party) => party?.id)) === undefined ? undefined : parties[0]
}
