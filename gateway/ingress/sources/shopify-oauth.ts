/**
 * Shopify OAuth: the redirect that ends the installation of an app, and launches of it. In: GETs of a browser whose query
 * Shopify signed with the app's client secret. Out: claims and facts, the verified query as their text. Refuses names
 * that come twice, a shop that is no Shopify domain, and times outside 90 seconds. Whether `state` is the one that this
 * browser was given, only the app knows and must check.
 * https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/authorization-code-grant
 */
import { z } from 'zod'
import { hexMac, malformed } from '../header.ts'
import { given, textAt } from '../member.ts'
import { type Pair, byUnits, once, pairsOf } from '../pairs.ts'
import { queryOf } from '../query.ts'
import { textKey } from '../secret.ts'
import type { Claim, ClaimRefusal, RawRequest, Source } from '../source.ts'

/** What Shopify's own library allows, to both sides. */
export const TOLERANCE = 90
/** A browser repeats nothing by itself; the replay memory outlives the window many times. */
export const RETRY_SPAN = 3_600
/** A GET brings none. */
export const BODY_CAP = 1_024

const SHOP = /^[a-z0-9][a-z0-9-]*\.(?:myshopify\.com|shopify\.com|myshopify\.io)$/i
/** Ten digits: any other is decades away from every time Shopify signed. */
const TIME = /^[1-9]\d{9}$/

export const shopifyOauth: Source<Record<string, never>> = {
  name: 'shopify-oauth',
  title: 'Shopify OAuth redirects',
  docs: 'docs/guide/sources/shopify-oauth.md',
  methods: ['GET'],
  contentTypes: undefined,
  bodies: ['text'],
  namesWorkspace: 'always',
  bodyCap: BODY_CAP,
  tolerance: TOLERANCE,
  retrySpan: RETRY_SPAN,
  settings: z.strictObject({}),
  credential: {
    kind: 'secret',
    hint: 'Client secret of the app, in the Dev Dashboard under Settings.',
    generated: false,
  },
  refusalStatus: 401,
  ack: { status: 200, contentType: 'text/plain', body: 'Received. You can close this page.\n' },
  key: (secret) => textKey('hmac-sha256', secret),
  claim: (request) => queryClaim(request, 'hmac', message),
  facts(request) {
    const pairs = pairsOf(queryOf(request.target)) ?? []
    const query = once(pairs)
    const shop = textAt(query, 'shop')
    const text = message(pairs)
    if (shop === undefined || text === undefined) return { malformed: 'query' }
    return {
      workspaces: [shop],
      kind: 'installation',
      event: textAt(query, 'code') === undefined ? 'app.launched' : 'oauth.callback',
      conversation: { id: shop },
      text,
      ...given('locale', textAt(query, 'locale')),
    }
  },
}

/** The claim of a query signed in its parameter `name` over what `spelled` makes of the others. */
export function queryClaim(
  request: RawRequest,
  name: string,
  spelled: (pairs: readonly Pair[]) => string | undefined,
): Claim | ClaimRefusal {
  const pairs = pairsOf(queryOf(request.target))
  if (pairs === undefined) return malformed('query')
  if (!pairs.some(([one, value]) => one === name && value !== ''))
    return { refused: 'missing-header', header: name }
  const query = once(pairs)
  const value = hexMac(textAt(query, name))
  if (value === undefined) return malformed(name)
  const time = textAt(query, 'timestamp') ?? ''
  const signed = spelled(pairs)
  // Shopify writes no such query: its signature, good or not, was made for something else.
  if (signed === undefined || !TIME.test(time) || !SHOP.test(textAt(query, 'shop') ?? '')) return UNSIGNED
  return { sentAt: Number(time), signed: [signed], signatures: [{ algorithm: 'hmac-sha256', value }] }
}

/** Refused as a signature that does not fit, whatever the time is: there is no time to compare. */
const UNSIGNED: Claim = {
  sentAt: undefined,
  signed: [],
  signatures: [],
  validity: { from: undefined, until: Number.POSITIVE_INFINITY },
}

/**
 * `name=value` in the order of names, percent-encoded, joined by `&`; without the signature and its MD5 predecessor.
 * Encoding leaves no two queries with one text; a query that names something twice has none.
 */
function message(pairs: readonly Pair[]): string | undefined {
  const names = new Set(pairs.map(([name]) => name))
  return names.size === pairs.length ? written(pairs, 'hmac', 'signature') : undefined
}

/** Pairs in the order of their names, percent-encoded, without those left out. */
export function written(pairs: readonly Pair[], ...leftOut: readonly string[]): string {
  return pairs
    .filter(([name]) => !leftOut.includes(name))
    .toSorted(([a], [b]) => byUnits(a, b))
    .map(([name, value]) => new URLSearchParams([[name, value]]).toString().replaceAll('+', '%20'))
    .join('&')
}
