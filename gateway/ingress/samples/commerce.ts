/**
 * Samples of shops, payments and telephony, and of senders without a platform. In: nothing, and for generic-hmac the
 * channel's settings. Out: by source, small events with the fields that their vendors document. Refuses nothing.
 */
import type { Json } from '@gatehouse/proof/canonical.ts'
import type { Sample, Samples } from './sample.ts'

const SHOP = 'sample.myshopify.com'

const stripe: readonly Sample[] = [
  {
    event: 'payment_intent.succeeded',
    workspace: 'acct_sample1',
    headers: { 'stripe-signature': 't={time},v1={mac:hex}' },
    json: {
      id: 'evt_{id}',
      object: 'event',
      account: '{workspace}',
      created: '{time}',
      livemode: false,
      type: 'payment_intent.succeeded',
      data: {
        object: {
          id: 'pi_{id}',
          object: 'payment_intent',
          amount: 1000,
          currency: 'eur',
          customer: 'cus_sample1',
        },
      },
    },
  },
]

const shopify: readonly Sample[] = [
  {
    event: 'orders/create',
    workspace: SHOP,
    headers: {
      'x-shopify-topic': 'orders/create',
      'x-shopify-shop-domain': '{workspace}',
      'x-shopify-webhook-id': '{uuid}',
      'x-shopify-event-id': '{uuid}',
      'x-shopify-triggered-at': '{iso}',
      'x-shopify-hmac-sha256': '{mac:base64}',
    },
    json: {
      id: '{number}',
      admin_graphql_api_id: 'gid://shopify/Order/{number}',
      currency: 'EUR',
      total_price: '10.00',
    },
  },
]

const shopifyOauth: readonly Sample[] = [
  {
    event: 'oauth.callback',
    workspace: SHOP,
    headers: {},
    query: { code: '{id}', hmac: '{mac:hex}', shop: '{workspace}', state: '{id}', timestamp: '{time}' },
  },
]

const shopifyAppProxy: readonly Sample[] = [
  {
    event: 'app_proxy',
    workspace: SHOP,
    headers: {},
    query: {
      nonce: '{id}',
      path_prefix: '/apps/sample',
      shop: '{workspace}',
      timestamp: '{time}',
      signature: '{mac:hex}',
    },
  },
]

const twilio: readonly Sample[] = [
  {
    event: 'message',
    workspace: 'AC00000000000000000000000000000001',
    headers: { 'x-twilio-signature': '{mac:base64}', 'i-twilio-idempotency-token': '{uuid}' },
    form: {
      AccountSid: '{workspace}',
      MessageSid: 'SM{id}00000000',
      From: '+15550000001',
      To: '+15550000002',
      Body: 'hello from a sample',
      NumMedia: '0',
    },
  },
]

const plainMessage: Json = {
  id: '{id}',
  kind: 'message',
  text: 'hello from a sample',
  actor: { id: 'sample', name: 'Sample' },
}

const web: readonly Sample[] = [
  {
    event: 'message',
    headers: { 'x-gatehouse-timestamp': '{time}', 'x-gatehouse-signature': 'v1={mac:hex}' },
    json: plainMessage,
  },
]

function standard(prefix: string): readonly Sample[] {
  const headers = {
    [`${prefix}-id`]: 'msg_{id}',
    [`${prefix}-timestamp`]: '{time}',
    [`${prefix}-signature`]: 'v1,{mac:base64}',
  }
  const json: Json = { type: 'sample.created', timestamp: '{iso}', data: { id: '{id}' } }
  return [{ event: 'sample.created', headers, json }]
}

interface HmacSettings {
  readonly header: string
  readonly prefix: string
  readonly encoding: 'hex' | 'base64' | 'base64url'
  readonly timestampHeader?: string
  readonly timestampUnit: string
  readonly idHeader?: string
  readonly deliveryIdPath?: string
  readonly workspacePath?: string
  readonly kindPath?: string
}

/** In the headers, and with the members, that the channel's settings name. */
function genericHmac(settings: unknown): readonly Sample[] {
  // A boundary: whoever calls has read the settings with the source's own schema.
  const at = settings as HmacSettings
  const json: Record<string, Json> = { id: '{id}', text: 'hello from a sample' }
  put(json, at.workspacePath, '{workspace}')
  put(json, at.deliveryIdPath, '{id}')
  put(json, at.kindPath, 'sample')
  const headers = {
    [at.header]: `${at.prefix}{mac:${at.encoding}}`,
    ...(at.timestampHeader !== undefined && {
      [at.timestampHeader]: at.timestampUnit === 'ms' ? '{ms}' : '{time}',
    }),
    ...(at.idHeader !== undefined && { [at.idHeader]: '{id}' }),
  }
  return [{ event: 'sample', workspace: 'sample', headers, json }]
}

/** Puts a value under a path such as `data.id`. */
function put(into: Record<string, Json>, path: string | undefined, value: string): void {
  if (path === undefined) return
  const [name = '', ...rest] = path.split('.')
  if (rest.length === 0) return void (into[name] = value)
  const before = into[name]
  // A boundary: TypeScript keeps lists among objects here.
  const isObject = typeof before === 'object' && before !== null && !Array.isArray(before)
  const inner: Record<string, Json> = isObject ? { ...(before as Readonly<Record<string, Json>>) } : {}
  put(inner, rest.join('.'), value)
  into[name] = inner
}

export const COMMERCE: Readonly<Record<string, Samples>> = {
  stripe,
  shopify,
  'shopify-oauth': shopifyOauth,
  'shopify-app-proxy': shopifyAppProxy,
  twilio,
  web,
  'standard-webhooks': standard('webhook'),
  svix: standard('svix'),
  'generic-hmac': genericHmac,
}
