/**
 * What the tokens room needs of the house, and how it says no. In: nothing. Out: types. Refuses nothing itself.
 */

export interface TokenNeeds {
  readonly random: (bytes: number) => Buffer
}

/** `absent`: not there, or not the caller's. `beyond-own`: more than the caller may do. `claim`: not a live code. */
export type TokenRefused =
  | { readonly refused: 'absent'; readonly what: 'token' | 'tenant' }
  | { readonly refused: 'beyond-own'; readonly what: string }
  | { readonly refused: 'claim' }
