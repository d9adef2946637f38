/**
 * The shape of a sample: one event as its vendor would send it, with holes. In: nothing. Out: a type. Refuses nothing.
 *
 * Holes: `{time}` and `{ms}` now, `{iso}` now as RFC 3339, `{id}` 24 hex digits and `{uuid}` fresh for each, `{number}`
 * a fresh whole number, `{workspace}` where the channel is bound to one, `{secret}` for tokens that are sent as they
 * are, `{mac:hex}`, `{mac:base64}` and `{mac:base64url}` for the signature. A JSON text that is `{number}`, `{time}` or
 * `{ms}` and nothing else becomes a number. An object `{ '{text}': … }` becomes its own JSON, as text.
 */
import type { Json } from '@gatehouse/proof/canonical.ts'

export interface Sample {
  /** As one asks for it: the vendor's name of the event, or a plain one. */
  readonly event: string
  readonly headers: Readonly<Record<string, string>>
  /** One of the three. With `query` it is a GET, whose URL holds them. */
  readonly query?: Readonly<Record<string, string>>
  readonly json?: Json
  readonly form?: Readonly<Record<string, Json>>
  /** Stands for `{workspace}` when the channel is bound to none. */
  readonly workspace?: string
}

/** Samples of one source; those of generic-hmac follow the channel's settings. */
export type Samples = readonly Sample[] | ((settings: unknown) => readonly Sample[])
