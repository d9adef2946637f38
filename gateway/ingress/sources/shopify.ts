/**
 * Shopify: webhooks of one app, from every shop that has it. In: requests signed with the app's client secret over the
 * body. Out: claims and facts. Refuses bodies that do not begin as JSON does: the same secret signs OAuth queries, app
 * proxy queries and, in older libraries, cookies, and none of those begins so. No time is signed, and neither is topic,
 * shop nor delivery id: they are headers.
 * https://shopify.dev/docs/apps/build/webhooks/verify-deliveries
 */
import { z } from 'zod'
import type { Json } from '@gatehouse/proof/canonical.ts'
import { base64Mac, deliveryId, required } from '../header.ts'
import { given, idAt, isRecord, listAt, member, named, party, textAt } from '../member.ts'
import { textKey } from '../secret.ts'
import type { Facts, Source } from '../source.ts'

const SIGNATURE = 'x-shopify-hmac-sha256'
const DELIVERY = 'x-shopify-webhook-id'
const TOPIC = 'x-shopify-topic'
const SHOP = 'x-shopify-shop-domain'
/** Shopify repeats eight times in four hours. */
const RETRY_SPAN = 14_400
/** Orders and products with all their lines stay well below. */
const BODY_CAP = 5_242_880

const OPEN_OBJECT = 0x7b
const QUOTE = 0x22

export const shopify: Source<Record<string, never>> = {
  name: 'shopify',
  title: 'Shopify webhooks',
  docs: 'docs/guide/sources/shopify.md',
  methods: ['POST'],
  contentTypes: ['application/json'],
  bodies: ['json'],
  namesWorkspace: 'always',
  bodyCap: BODY_CAP,
  tolerance: undefined,
  retrySpan: RETRY_SPAN,
  settings: z.strictObject({}),
  credential: {
    kind: 'secret',
    hint: 'Client secret of the app, in the Dev Dashboard under Settings; for webhooks made in a shop, the secret shown below them.',
    generated: false,
  },
  refusalStatus: 401,
  ack: { status: 200 },
  key: (secret) => textKey('hmac-sha256', secret),
  claim(request) {
    const headers = required(request, SIGNATURE)
    if ('refused' in headers) return headers
    const value = base64Mac(headers[0])
    const [first] = request.body
    // A visitor can have an app proxy query signed that begins and ends with a quote; it always holds its time.
    const isWebhook = first === OPEN_OBJECT || (first === QUOTE && !request.body.includes('timestamp='))
    return {
      sentAt: undefined,
      signed: [request.body],
      // A signature that was made for something else is none, and is refused as one that does not fit.
      signatures: isWebhook && value !== undefined ? [{ algorithm: 'hmac-sha256', value }] : [],
      ...given('deliveryId', deliveryId(request.headers.get(DELIVERY))),
    }
  },
  facts(request, body) {
    if (body.type !== 'json') return { malformed: 'body' }
    return event(body.value, request.headers.get(TOPIC), request.headers.get(SHOP))
  },
}

/** The header's shop counts as named: it must agree with the body, and with what the channel is bound to. */
function event(body: Json, topic: string | undefined, shop: string | undefined): Facts {
  const customer = member(body, 'customer')
  return {
    workspaces: named(shop || undefined, textAt(body, 'shop_domain'), textAt(body, 'myshopify_domain')),
    kind: kindOf(body),
    ...given('event', topic),
    ...given(
      'actor',
      party(idAt(customer, 'id'), textAt(customer, 'email') ?? textAt(customer, 'first_name')),
    ),
    ...given(
      'conversation',
      party(
        idAt(body, 'admin_graphql_api_id') ?? idAt(body, 'id'),
        textAt(body, 'name') ?? textAt(body, 'title'),
      ),
    ),
    ...given('text', textAt(body, 'note') ?? textAt(body, 'title')),
  }
}

/** Told from the signed body, not from the topic, which anyone on the way could change. */
function kindOf(body: Json): string {
  if (listAt(body, 'line_items').length > 0) return 'order'
  if (listAt(body, 'variants').length > 0) return 'product'
  const asked = ['orders_to_redact', 'orders_requested', 'data_request']
  if (isRecord(body) && asked.some((name) => Object.hasOwn(body, name))) return 'privacy'
  return 'other'
}
