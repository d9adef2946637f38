/**
 * What `source explain` finds, one test a finding. In: requests that were genuine until something happened to them. Out:
 * the one cause, and nothing secret. Refuses an explanation that shows a secret, a header's value or a signature.
 */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { explain } from './explain.ts'
import type { Explanation, Finding } from './explain/finding.ts'
import { simulate } from './simulate.ts'

const NOW = 1_700_000_000
const SECRET = 'the-secret-of-a-test'
const URL_CALLED = 'https://hooks.example.com/in/chn_1'

interface Recorded {
  readonly provider: string
  readonly secret: string
  readonly method: string
  readonly url: string
  readonly headers: Record<string, string>
  readonly body: string
  readonly now: number
  readonly [more: string]: unknown
}

/** A genuine request as recorded. */
function genuine(provider: string, event?: string, settings: unknown = {}, secret = SECRET): Recorded {
  const wanted = { source: provider, settings, secret, url: URL_CALLED, now: NOW * 1_000, forge: false }
  const { method, url, headers, body } = simulate({ ...wanted, event })
  return {
    provider,
    config: settings,
    secret,
    method,
    url,
    headers: { ...headers },
    body: body.toString('utf8'),
    now: NOW,
  }
}

/** Explains it, and holds the explanation to silence about what is secret. */
function explained(record: Recorded): Explanation {
  const explanation = explain(record, NOW)
  const shown = JSON.stringify(explanation)
  const hidden = [
    SECRET,
    String(record.secret).trim(),
    ...Object.entries(record.headers).flatMap(([name, value]) => (/host|type/.test(name) ? [] : [value])),
  ]
  const signature = createHmac('sha256', record.secret).update(record.body).digest()
  for (const text of [...hidden, signature.toString('hex'), signature.toString('base64')])
    assert.ok(text.length < 15 || !shown.includes(text), 'something secret is shown')
  return explanation
}

function causes(explanation: Explanation): readonly string[] {
  return [...new Set(explanation.findings.filter(({ weight }) => weight !== 'sign').map(({ what }) => what))]
}

function only(explanation: Explanation, what: string): Finding {
  assert.equal(explanation.verdict, 'reject')
  assert.ok(causes(explanation).includes(what), JSON.stringify(explanation, null, 1))
  return explanation.findings.find((finding) => finding.what === what) ?? assert.fail()
}

test('a genuine one passes, and nothing else is tried', () => {
  for (const name of ['slack', 'github', 'stripe', 'pumble', 'twilio', 'shopify-oauth']) {
    assert.deepEqual(explained(genuine(name)), {
      source: name,
      verdict: 'accept',
      step: null,
      findings: [],
      tried: 0,
    })
  }
})

test('wrong secret: no way of writing anything fits', () => {
  const explanation = explained({ ...genuine('slack'), secret: 'another-secret-entirely' })
  assert.equal(explanation.step, 'signature')
  assert.deepEqual(causes(explanation), [])
  assert.deepEqual(
    explanation.findings.map(({ what }) => what),
    ['wrong-secret'],
  )
  assert.ok(explanation.tried > 20)
  assert.match(explanation.findings[0]?.evidence ?? '', /the secret given has 23 characters/)
})

/** What the vendor sent, and what was recorded of it. */
const REWRITES: readonly (readonly [says: string, found: string, rewrite: (body: string) => string])[] = [
  [
    'a pretty-printer',
    'body-reserialised',
    (body) => body.replaceAll(',"', ',\n  "').replaceAll('":', '" : '),
  ],
  ['Python', 'body-reserialised', (body) => body.replaceAll('":', '": ').replaceAll(',"', ', "')],
  ['an escaper', 'body-reserialised', (body) => body.replaceAll('é', '\\u00e9')],
  ['PHP', 'body-reserialised', (body) => body.replaceAll('/', '\\/').replaceAll('é', '\\u00e9')],
  ['Go', 'body-reserialised', (body) => body.replaceAll('<', '\\u003c')],
  ['an editor', 'body-whitespace', (body) => `${body}\n`],
  ['Latin-1', 'body-encoding', (body) => Buffer.from(body, 'utf8').toString('latin1')],
  ['a byte order mark', 'body-encoding', (body) => `\ufeff${body}`],
  ['base64', 'body-encoding', (body) => Buffer.from(body).toString('base64')],
  ['a JSON string', 'body-encoding', (body) => JSON.stringify(body)],
]

for (const [says, found, rewrite] of REWRITES) {
  test(`body rewritten by ${says}: ${found}`, () => {
    const body = '{"zen":"café <b>","url":"https://a.example/b","n":[1.0,{}],"big":12345678901234567890}'
    const signed = `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`
    const record: Recorded = {
      ...genuine('github'),
      headers: { 'x-hub-signature-256': signed },
      body: rewrite(body),
    }
    assert.equal(explain({ ...record, body }, NOW).verdict, 'accept')
    const finding = only(explained(record), found)
    assert.match(
      finding.evidence,
      new RegExp(`${Buffer.byteLength(rewrite(body))} bytes were recorded; ${Buffer.byteLength(body)} bytes`),
    )
  })
}

test('body rewritten from pretty to minified: the layout that was signed is named', () => {
  const body = JSON.stringify({ a: 1, b: [{ c: 'd' }, []] }, null, 4)
  const signed = `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`
  const record = {
    ...genuine('github'),
    headers: { 'x-hub-signature-256': signed },
    body: '{"a":1,"b":[{"c":"d"},[]]}',
  }
  assert.match(only(explained(record), 'body-reserialised').evidence, /JSON indented by four spaces/)
})

test('line breaks turned from CR LF to LF: body-whitespace', () => {
  const body = '{\r\n"a":1}'
  const signed = `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`
  const record = { ...genuine('github'), headers: { 'x-hub-signature-256': signed }, body: '{\n"a":1}' }
  assert.match(only(explained(record), 'body-whitespace').evidence, /CR LF for LF/)
})

test('form encoded anew: body-reserialised', () => {
  const record = genuine('slack', 'command')
  const finding = only(
    explained({ ...record, body: record.body.replaceAll('%2F', '%2f') }),
    'body-reserialised',
  )
  assert.match(finding.evidence, /a form/)
})

test('body cut, emptied or decoded: signs, beside the wrong signature', () => {
  const record = genuine('github')
  const length = { ...record.headers, 'content-length': String(record.body.length) }
  const signs = (changed: Partial<Recorded>) =>
    explained({ ...record, ...changed }).findings.map(({ what }) => what)
  assert.ok(signs({ headers: length, body: record.body.slice(0, 40) }).includes('body-cut'))
  assert.ok(signs({ body: '' }).includes('body-empty'))
  assert.ok(signs({ body: record.body.replace('sample', '\ufffd') }).includes('body-decoded'))
  assert.ok(signs({ body: '{"a":1,"b":2,"c":3}' }).includes('body-sorted'))
  assert.ok(
    signs({ body: '{}', headers: { ...record.headers, 'content-encoding': 'gzip' } }).includes(
      'body-compressed',
    ),
  )
})

test('stale: the clock is the cause, and when it would pass is said', () => {
  const finding = only(explained({ ...genuine('slack'), now: NOW + 400 }), 'clock')
  assert.match(finding.evidence, /400 s old, the window is 300 s; the signature fits at that time/)
  assert.match(finding.next, /to 2023-11-14T22:18:20\.000Z/)
  assert.match(
    only(explained({ ...genuine('slack'), now: NOW - 400 }), 'clock').evidence,
    /400 s in the future/,
  )
  assert.match(only(explained({ ...genuine('slack'), now: NOW + 7_200 }), 'clock').next, /time zone/)
})

test('no time of arrival: says to give one', () => {
  const { now: _, ...record } = genuine('slack')
  const explanation = explain(record, NOW + 86_400 * 30)
  assert.match(explanation.findings[0]?.next ?? '', /give --at/)
})

test('milliseconds where seconds are read: the unit is named', () => {
  const settings = {
    header: 'x-signature',
    timestampHeader: 'x-time',
    template: '{timestamp}.{body}',
    timestampUnit: 'ms',
  }
  const record = genuine('generic-hmac', undefined, settings)
  const finding = only(explained({ ...record, config: { ...settings, timestampUnit: 's' } }), 'clock')
  assert.match(finding.evidence, /milliseconds/)
})

test('init data that has run out: its own span is named', () => {
  const record = genuine('telegram-init-data', undefined, {}, '110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw')
  const explanation = explain({ ...record, now: NOW + 100_000 }, NOW)
  assert.equal(explanation.step, 'timestamp')
  assert.match(
    explanation.findings[0]?.evidence ?? '',
    /^good from .* to 2023-11-15T22:13:20\.000Z.*fits at that time$/,
  )
})

test('stale and wrongly signed: both are said', () => {
  const explanation = explained({ ...genuine('slack'), now: NOW + 400, secret: 'another-secret-entirely' })
  assert.deepEqual(
    explanation.findings.map(({ what, weight }) => `${what} ${weight}`),
    ['clock sign', 'wrong-secret sign'],
  )
})

const PROXIES: readonly (readonly [string, Partial<Recorded>, RegExp])[] = [
  [
    'http for https',
    { url: 'http://hooks.example.com/in/chn_1' },
    /GATEHOUSE_PUBLIC_URL to https:\/\/hooks\.example\.com/,
  ],
  [
    'an inner host',
    { url: 'http://10.0.0.5:8080/in/chn_1', headers: { host: 'hooks.example.com' } },
    /GATEHOUSE_PUBLIC_URL to https:\/\/hooks\.example\.com/,
  ],
  [
    'a forwarded host',
    { url: 'http://gate:8080/in/chn_1', headers: { 'x-forwarded-host': 'hooks.example.com' } },
    /GATEHOUSE_PUBLIC_URL/,
  ],
  [
    'no public URL at all',
    { url: '/in/chn_1', headers: { host: 'hooks.example.com' } },
    /GATEHOUSE_PUBLIC_URL/,
  ],
  ['a slash at the end', { url: 'https://hooks.example.com/in/chn_1/' }, /a slash at the end counts/],
]

for (const [says, changed, next] of PROXIES) {
  test(`URL behind a proxy, ${says}: url-differs`, () => {
    const record = genuine('twilio')
    const headers = { ...record.headers, ...changed.headers }
    const finding = only(explained({ ...record, ...changed, headers }), 'url-differs')
    assert.match(finding.next, next)
    assert.match(finding.evidence, /the vendor signed https:\/\/hooks\.example\.com\/in\/chn_1;/)
  })
}

test('a prefix that the proxy takes away: url-differs', () => {
  const wanted = { source: 'twilio', settings: {}, secret: SECRET, now: NOW * 1_000, forge: false }
  const { headers, body } = simulate({ ...wanted, url: 'https://example.com/hooks/in/chn_1' })
  const record = { ...genuine('twilio'), url: 'https://example.com/in/chn_1', body: body.toString() }
  const finding = only(
    explained({ ...record, headers: { ...headers, 'x-forwarded-prefix': '/hooks' } }),
    'url-differs',
  )
  assert.match(finding.next, /takes \/hooks away/)
})

test('the query of an address is never shown', () => {
  const record = genuine('shopify-oauth')
  const shown = JSON.stringify(explained({ ...record, url: record.url.replace('code=', 'code=x') }))
  assert.ok(!shown.includes('hmac='))
})

test('header renamed: the name is named, and the rest fits', () => {
  const record = genuine('slack')
  const {
    'x-slack-signature': signature = '',
    'x-slack-request-timestamp': time = '',
    ...rest
  } = record.headers
  const headers = {
    ...rest,
    HTTP_X_SLACK_SIGNATURE: signature,
    'X-Amzn-Remapped-X-Slack-Request-Timestamp': time,
  }
  const finding = only(explained({ ...record, headers }), 'header-renamed')
  assert.equal(finding.evidence, 'x-slack-request-timestamp, x-slack-signature came under another name')
})

test('header doubled: neither counts, and which one fits is said', () => {
  const record = genuine('github')
  const list = Object.entries(record.headers)
  const headerList = [...list, ['X-Hub-Signature-256', `sha256=${'0'.repeat(64)}`]]
  assert.match(
    only(explained({ ...record, headerList }), 'header-duplicated').evidence,
    /the first one is meant/,
  )
  const signature = record.headers['x-hub-signature-256'] ?? ''
  const joined = { ...record.headers, 'x-hub-signature-256': `${signature}, ${signature}` }
  assert.match(only(explained({ ...record, headers: joined }), 'header-duplicated').evidence, /joined/)
})

test('header quoted: header-rewritten', () => {
  const record = genuine('github')
  const headers = { ...record.headers, 'x-hub-signature-256': `"${record.headers['x-hub-signature-256']}"` }
  only(explained({ ...record, headers }), 'header-rewritten')
})

test('header missing: says which, and which came', () => {
  const explanation = explained({ ...genuine('slack'), headers: { 'x-other': '1' } })
  assert.equal(explanation.step, 'header')
  assert.match(
    explanation.findings[0]?.evidence ?? '',
    /x-slack-request-timestamp is missing or empty; these came: x-other/,
  )
})

const SECRETS: readonly (readonly [string, string, string, string?])[] = [
  ['secret-whitespace', 'slack', ` ${SECRET}\t\n`],
  ['secret-quoted', 'slack', `"${SECRET}"`],
  ['secret-prefix', 'slack', `whsec_${SECRET}`],
  ['secret-prefix', 'stripe', SECRET, `whsec_${SECRET}`],
  ['secret-encoded', 'slack', 'a%2Fb%3D', 'a/b='],
  ['secret-assigned', 'slack', `SLACK_SIGNING_SECRET=${SECRET}`],
  ['secret-encoding', 'slack', Buffer.from(SECRET).toString('base64')],
  ['secret-encoding', 'slack', Buffer.from(SECRET).toString('hex')],
]

for (const [what, source, given, real = SECRET] of SECRETS) {
  test(`secret given otherwise, ${source}: ${what}`, () => {
    assert.deepEqual(causes(explained({ ...genuine(source, undefined, {}, real), secret: given })), [what])
  })
}

test('base64 key used as text by the sender: secret-encoding', () => {
  const secret = Buffer.alloc(32, 9).toString('base64')
  const body = '{"type":"a"}'
  const signature = createHmac('sha256', secret).update(`msg_1.${NOW}.${body}`).digest('base64')
  const headers = {
    'webhook-id': 'msg_1',
    'webhook-timestamp': String(NOW),
    'webhook-signature': `v1,${signature}`,
  }
  only(
    explained({ ...genuine('web'), provider: 'standard-webhooks', secret: `whsec_${secret}`, headers, body }),
    'secret-encoding',
  )
})

test('secret of the other kind: named by its form, or by the algorithm', () => {
  const whats = (record: Recorded) => explained(record).findings.map(({ what }) => what)
  assert.ok(whats({ ...genuine('slack'), secret: `xoxb-${'1'.repeat(20)}` }).includes('secret-other-kind'))
  const discord = {
    ...genuine('slack'),
    provider: 'discord',
    headers: { 'x-signature-timestamp': String(NOW), 'x-signature-ed25519': '00'.repeat(64) },
  }
  assert.ok(whats({ ...discord, secret: 'no-hex-at-all' }).includes('secret-unusable'))
  const raw = { ...genuine('web'), provider: 'standard-webhooks', body: '{}' }
  const headers = {
    'webhook-id': 'msg_1',
    'webhook-timestamp': String(NOW),
    'webhook-signature': `v1,${Buffer.alloc(32).toString('base64')}`,
  }
  const key = `whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=`
  assert.ok(whats({ ...raw, headers, secret: key }).includes('secret-other-kind'))
})

test('the secret of another role: secret-other-role', () => {
  const record = genuine('whatsapp')
  const target = `/in/chn_1?hub.mode=subscribe&hub.challenge=1&hub.verify_token=${SECRET}`
  const asked = { ...record, method: 'GET', url: target, headers: {}, body: '' }
  assert.deepEqual(causes(explain(asked, NOW)), ['secret-other-role'])
})

test('settings that differ: settings-differ', () => {
  const settings = { header: 'x-signature', algorithm: 'sha512', encoding: 'base64' }
  const record = genuine('generic-hmac', undefined, settings)
  const finding = only(
    explained({ ...record, config: { ...settings, algorithm: 'sha256' } }),
    'settings-differ',
  )
  assert.match(finding.evidence, /algorithm=sha512/)
})

test('two things at once: both are parts', () => {
  const record = genuine('slack')
  const body = JSON.stringify(JSON.parse(record.body), null, 2)
  const { findings } = explained({ ...record, body, secret: `${SECRET}\n` })
  assert.deepEqual(
    findings.map(({ what, weight }) => `${weight} ${what}`),
    ['part secret-whitespace', 'part body-reserialised'],
  )
})

test('a key of the vendor: said to be out of reach', () => {
  const token = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
  const jwt = `${token({ alg: 'RS256', kid: 'k1', typ: 'JWT' })}.${token({ iss: 'https://api.botframework.com', aud: 'app-1' })}.AAAA`
  const record = {
    provider: 'teams',
    config: { appId: 'app-1' },
    headers: { authorization: `Bearer ${jwt}` },
    body: '{}',
    now: NOW,
  }
  const explanation = explain(record, NOW)
  assert.equal(explanation.verdict, 'reject')
  assert.ok(
    ['vendor-key', 'record', 'header', 'credential'].includes(String(explanation.step)),
    String(explanation.step),
  )
})

test('a record that is none, a source that is none, settings that are none', () => {
  assert.equal(explain('text', NOW).step, 'record')
  assert.equal(explain({ provider: 'nobody' }, NOW).findings[0]?.what, 'source-unknown')
  assert.equal(explain({ provider: 'generic-hmac', config: {} }, NOW).findings[0]?.what, 'settings-malformed')
  assert.equal(explain({ provider: 'slack', bodyBase64: '%' }, NOW).findings[0]?.what, 'record-malformed')
  assert.equal(explain({ ...genuine('slack'), secret: undefined }, NOW).findings[0]?.what, 'secret-missing')
})
