/**
 * Samples of every source. In: secrets in each vendor's form. Out: requests that the listener's own proof takes and
 * reads, forged ones that it does not. Refuses a source that signs with a shared secret and has no sample.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { read } from './read.ts'
import { SAMPLES, sampleNames, simulate, type Simulated, type Wanted } from './simulate.ts'
import type { RawRequest, Source } from './source.ts'
import { SOURCES, sourceNamed } from './sources.ts'
import { type ProofRefusal, VerifiedDelivery } from './verify.ts'

const NOW = 1_700_000_000_000
const URL_OF_CHANNEL = 'https://hooks.example.com/in/chn_sample'
/** Shopify's must be a domain of its own. */
const WORKSPACE = 'ws-1.myshopify.com'
const BYTES = Buffer.alloc(32, 7).toString('base64')

/** Secrets where any text will not do. */
const SECRETS: Readonly<Record<string, string>> = {
  telegram: 'sample-token',
  'telegram-init-data': '110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw',
  mattermost: 'abcdefghijklmnopqrstuvwxyz',
  'teams-outgoing': BYTES,
  'standard-webhooks': `whsec_${BYTES}`,
  svix: `whsec_${BYTES}`,
}
/** Settings where the source's own defaults will not do. */
const SETTINGS: Readonly<Record<string, readonly Record<string, unknown>[]>> = {
  'generic-hmac': [
    { header: 'x-signature' },
    {
      header: 'x-signature',
      prefix: 'sha1=',
      algorithm: 'sha1',
      encoding: 'base64',
      workspacePath: 'account.id',
      deliveryIdPath: 'account.event',
    },
    {
      header: 'x-signature',
      template: '{id}.{timestamp}.{body}',
      idHeader: 'x-id',
      timestampHeader: 'x-time',
      timestampUnit: 'ms',
    },
  ],
  gitlab: [{}, { mode: 'signed' }],
}
/** Sources whose vendor alone can sign: with a private key of its own. */
const VENDORS_OWN = new Set(['discord', 'teams', 'google-chat', 'sendgrid', 'aws-sns', 'paypal'])

function secretFor(source: string, settings: unknown): string {
  if (source === 'gitlab') return JSON.stringify(settings).includes('signed') ? `whsec_${BYTES}` : 'a token'
  return SECRETS[source] ?? 'a secret for a sample'
}

function prove(
  source: Source,
  settings: unknown,
  secret: string,
  sent: Simulated,
): VerifiedDelivery | ProofRefusal {
  const parsed: unknown = source.settings.parse(settings)
  const credentials = [{ id: 'crd', key: source.key(secret, parsed, '') }]
  const raw: RawRequest = {
    method: sent.method,
    target: sent.url.replace('https://hooks.example.com', ''),
    headers: new Map(Object.entries(sent.headers)),
    body: sent.body,
    publicUrl: sent.url,
  }
  return VerifiedDelivery.verify({ source, settings: parsed, credentials }, raw, NOW / 1_000)
}

for (const source of SOURCES.filter(({ name }) => !VENDORS_OWN.has(name))) {
  for (const [i, settings] of (SETTINGS[source.name] ?? [{}]).entries()) {
    const wanted = (event: string, more: Partial<Wanted> = {}): Wanted => {
      const secret = secretFor(source.name, settings)
      return {
        source: source.name,
        event,
        settings,
        secret,
        url: URL_OF_CHANNEL,
        now: NOW,
        forge: false,
        ...more,
      }
    }
    const events = sampleNames(source.name, source.settings.parse(settings))

    test(`${source.name} ${i}: has samples that are proved, read and new each time`, () => {
      assert.ok(events.length > 0, 'a source that signs with a shared secret has a sample')
      for (const event of events) {
        const first = prove(source, settings, wanted(event).secret, simulate(wanted(event)))
        assert.ok(first instanceof VerifiedDelivery)
        const facts = read(first, source, source.settings.parse(settings))
        assert.ok(!('malformed' in facts), JSON.stringify(facts))
        assert.ok(facts.handshake === undefined && facts.challenge === undefined, 'a sample is delivered')
        const second = prove(source, settings, wanted(event).secret, simulate(wanted(event)))
        assert.ok(second instanceof VerifiedDelivery)
        assert.notDeepEqual(first.digest, second.digest, 'the second is no duplicate of the first')
      }
    })

    test(`${source.name} ${i}: names the workspace that the channel is bound to`, () => {
      if (source.namesWorkspace === 'never') return
      for (const event of events) {
        const at = wanted(event, { workspace: WORKSPACE })
        const delivery = prove(source, settings, at.secret, simulate(at))
        assert.ok(delivery instanceof VerifiedDelivery)
        const facts = read(delivery, source, source.settings.parse(settings))
        assert.ok(!('malformed' in facts))
        assert.ok(
          facts.workspaces.every((name) => name === WORKSPACE),
          facts.workspaces.join(),
        )
      }
    })

    test(`${source.name} ${i}: a forged one is not proved`, () => {
      for (const event of events) {
        const at = wanted(event, { forge: true })
        const verdict = prove(source, settings, at.secret, simulate(at))
        assert.ok(!(verdict instanceof VerifiedDelivery))
        assert.equal(verdict.refused, 'signature')
      }
    })
  }
}

test('a source whose vendor alone can sign says so', () => {
  const wanted: Wanted = {
    source: 'discord',
    settings: {},
    secret: '',
    url: URL_OF_CHANNEL,
    now: NOW,
    forge: false,
  }
  assert.throws(() => simulate(wanted), { name: 'RangeError', message: /only its vendor has the key/ })
  assert.throws(
    () => simulate({ ...wanted, source: 'slack', event: 'nothing' }),
    /wanted one of message, command/,
  )
})

test('the secret of a MAC source never travels', () => {
  for (const name of Object.keys(SAMPLES)) {
    const source = sourceNamed(name)
    if (source === undefined || ['telegram', 'mattermost', 'gitlab'].includes(name)) continue
    const settings = SETTINGS[name]?.[0] ?? {}
    const secret = secretFor(name, settings)
    const { headers, body } = simulate({
      source: name,
      settings,
      secret,
      url: URL_OF_CHANNEL,
      now: NOW,
      forge: false,
    })
    assert.ok(!`${JSON.stringify(headers)}${body.toString('latin1')}`.includes(secret), name)
  }
})
