/**
 * Shopify app proxy: requests of a shop's visitors that Shopify passes on. In: GETs whose query Shopify signed with the
 * app's client secret. Out: claims and facts, the verified query as their text. Refuses names of Shopify's own that come
 * twice, and queries that can be read in two ways: Shopify joins names and values with nothing between, and a visitor
 * chooses some of them.
 * https://shopify.dev/docs/apps/build/online-store/app-proxies/authenticate-app-proxies
 */
import { z } from 'zod'
import { given, party, textAt } from '../member.ts'
import { type Pair, byUnits, once, pairsOf } from '../pairs.ts'
import { queryOf } from '../query.ts'
import { textKey } from '../secret.ts'
import type { Source } from '../source.ts'
import { BODY_CAP, RETRY_SPAN, TOLERANCE, queryClaim, written } from './shopify-oauth.ts'

/** What Shopify adds to the visitor's own parameters. */
const OWN = ['logged_in_customer_id', 'path_prefix', 'shop', 'timestamp'] as const
const SIGNATURE = 'signature'

export const shopifyAppProxy: Source<Record<string, never>> = {
  name: 'shopify-app-proxy',
  title: 'Shopify app proxy',
  docs: 'docs/guide/sources/shopify-app-proxy.md',
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
  ack: { status: 200, contentType: 'text/plain', body: 'Received.\n' },
  key: (secret) => textKey('hmac-sha256', secret),
  claim: (request) => queryClaim(request, SIGNATURE, message),
  facts(request) {
    const pairs = pairsOf(queryOf(request.target)) ?? []
    const query = once(pairs)
    const shop = textAt(query, 'shop')
    if (shop === undefined) return { malformed: 'query' }
    return {
      workspaces: [shop],
      kind: 'request',
      event: 'app_proxy',
      conversation: { id: shop },
      text: written(pairs, SIGNATURE),
      ...given('actor', party(textAt(query, 'logged_in_customer_id'))),
    }
  },
}

/** `name=value` in order with nothing between; values of one name joined by commas. */
function message(pairs: readonly Pair[]): string | undefined {
  const values = Map.groupBy(
    pairs.filter(([name]) => name !== SIGNATURE),
    ([name]) => name,
  )
  if (OWN.some((name) => (values.get(name)?.length ?? 0) > 1)) return undefined
  const text = [...values]
    .map(([name, alike]) => `${name}=${alike.map(([, value]) => value).join(',')}`)
    .toSorted(byUnits)
    .join('')
  return OWN.some((name) => text.split(`${name}=`).length > 2) ? undefined : text
}
