/**
 * Teams and Google Chat through a running gate, with keys from an issuer over a socket. In: tokens as the vendors sign them,
 * and as others could have them signed. Out: the answer on the wire and the reason the operator sees. Refuses to pass when
 * anyone but the vendor is believed.
 */
import assert from 'node:assert/strict'
import { type TestContext, after, before, test } from 'node:test'
import { type Answered, type House, openHouse, send, until } from '../support/ingress.ts'
import { type Issuer, type SigningKey, keySet, makeKey, openIssuer, text, token } from './issuer.ts'

const APP = '8f2d6a1e-0b57-4c3a-9d1f-5c2e7b9a4d10'
const SERVICE = 'https://smba.trafficmanager.net/emea/'
const URL_AUDIENCE = 'https://hooks.example.com/in/chat'
const PROJECT = '1234567890'
const CHAT = 'chat@system.gserviceaccount.com'

const MICROSOFT = makeKey('ms-1', { endorsements: ['msteams', 'webchat'] })
const UNENDORSED = makeKey('ms-2', { endorsements: ['skype'] })
const SILENT = makeKey('ms-3')
const GOOGLE = makeKey('google-1', { alg: 'RS256' })
const STRANGER = makeKey('ms-1')

let house: House
before(async () => (house = await openHouse({ engine: 'sqlite', file: '' })))
after(async () => await house.close())

const now = (): number => Math.floor(Date.now() / 1_000)

interface Line {
  readonly id: string
  readonly path: string
  readonly issuer: Issuer
}

let lines = 0
async function line(t: TestContext, source: string, settings: object, ...keys: SigningKey[]): Promise<Line> {
  const issuer = await openIssuer(t, keySet(...keys))
  const asked = { name: `line-${++lines}`, source, settings: { ...settings, keysUrl: issuer.url } }
  const { id, path, warnings } = await house.admin.createChannel(house.tenant, asked)
  assert.match(warnings.join(), /URL of your own/)
  return { id, path, issuer }
}

function post(path: string, bearer: string | undefined, body: object): Promise<Answered> {
  const headers = {
    'content-type': 'application/json; charset=utf-8',
    ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
  }
  return send(house.gate.publicUrl + path, { headers, body: JSON.stringify(body) })
}

/** The newest refusal's reason, once there are `count` of them. */
async function reasons(channel: string, count: number): Promise<string[]> {
  let seen: string[] = []
  await until(`${count} refusals are shown`, async () => {
    const { items } = await house.admin.listRefusals(house.tenant, channel, { limit: 100 })
    seen = items.flatMap(({ reason, count: times }) => Array<string>(times).fill(reason))
    return seen.length >= count || undefined
  })
  return seen.toSorted()
}

const activity = (more: object = {}): object => ({
  type: 'message',
  id: `${Math.random()}`,
  channelId: 'msteams',
  serviceUrl: SERVICE,
  from: { id: '29:1', aadObjectId: 'a-1', name: 'A' },
  conversation: { id: '19:c', tenantId: 'tenant-1' },
  text: 'hello',
  ...more,
})

const claims = (more: object = {}): Record<string, unknown> => ({
  iss: 'https://api.botframework.com',
  aud: APP,
  serviceurl: SERVICE,
  nbf: now() - 60,
  exp: now() + 3_540,
  ...more,
})

test('teams: an activity under a token of the Bot Connector is taken, once', async (t) => {
  const { path, issuer } = await line(t, 'teams', { appId: APP.toUpperCase() }, MICROSOFT)
  const body = activity()
  assert.equal((await post(path, token(MICROSOFT, claims()), body)).status, 200)
  // The token covers no body and is used again: the body is what is remembered.
  assert.equal((await post(path, token(MICROSOFT, claims({ extra: 1 })), body)).status, 200)
  assert.equal((await post(path, token(MICROSOFT, claims({ serviceUrl: SERVICE })), activity())).status, 200)
  assert.deepEqual(
    (await post(path, token(MICROSOFT, claims()), activity({ type: 'invoke', name: 'task/fetch' }))).body,
    '{}',
  )
  const { items } = await house.admin.listDeliveries(house.tenant, { limit: 10 })
  assert.equal(items.length, 3)
  assert.equal(issuer.asked(), 1)
})

test('teams: every other token is refused with 403, and so is a body that contradicts its token', async (t) => {
  const { id, path } = await line(t, 'teams', { appId: APP }, MICROSOFT, UNENDORSED, SILENT)
  const good = claims()
  const [head = '', , mark = ''] = token(MICROSOFT, good).split('.')
  const other = Buffer.from(JSON.stringify(claims({ extra: 1 }))).toString('base64url')
  const cases: readonly (readonly [string, string | undefined, object])[] = [
    ['missing-header', undefined, activity()],
    ['signature', token(STRANGER, good), activity()],
    ['signature', `${head}.${other}.${mark}`, activity()],
    ['malformed-header', token(MICROSOFT, good, { alg: 'none' }), activity()],
    ['malformed-header', token(MICROSOFT, good, { alg: 'HS256' }), activity()],
    ['malformed-header', token(MICROSOFT, good, { alg: 'RS384' }), activity()],
    ['malformed-header', token(MICROSOFT, good, { crit: ['x'] }), activity()],
    ['malformed-header', token(MICROSOFT, good, { typ: 'at+jwt' }), activity()],
    ['malformed-header', token(MICROSOFT, claims({ exp: undefined })), activity()],
    // The emulator's issuer, which the SDK takes, and another cloud's.
    [
      'issuer',
      token(MICROSOFT, claims({ iss: 'https://sts.windows.net/d6d49420-f39b-4df7-a1dc-d59a935871db/' })),
      activity(),
    ],
    ['issuer', token(MICROSOFT, claims({ iss: 'https://api.botframework.us' })), activity()],
    ['audience', token(MICROSOFT, claims({ aud: '00000000-0000-4000-8000-000000000000' })), activity()],
    ['timestamp', token(MICROSOFT, claims({ exp: now() - 301 })), activity()],
    ['timestamp', token(MICROSOFT, claims({ nbf: now() + 330 })), activity()],
    // Keys endorsed for another channel, for none, and unknown ones.
    ['no-credential', token(UNENDORSED, good), activity()],
    ['no-credential', token(SILENT, good), activity()],
    ['no-credential', token(makeKey('unknown'), good), activity()],
    ['contradicted', token(MICROSOFT, good), activity({ serviceUrl: 'https://attacker.example.com/' })],
    ['contradicted', token(MICROSOFT, good), activity({ serviceUrl: undefined })],
    ['contradicted', token(MICROSOFT, claims({ serviceurl: undefined })), activity()],
    ['contradicted', token(MICROSOFT, claims({ serviceUrl: 'https://attacker.example.com/' })), activity()],
    ['contradicted', token(MICROSOFT, good), activity({ channelId: 'webchat' })],
  ]
  for (const [reason, bearer, body] of cases) {
    const { status, body: said } = await post(path, bearer, body)
    assert.equal(status, 403, reason)
    assert.equal((JSON.parse(said) as { code: string }).code, 'vendor-forbidden')
  }
  assert.deepEqual(await reasons(id, cases.length), cases.map(([reason]) => reason).toSorted())
})

test('teams: clocks may differ by five minutes', async (t) => {
  const { path } = await line(t, 'teams', { appId: APP }, MICROSOFT)
  assert.equal((await post(path, token(MICROSOFT, claims({ exp: now() - 290 })), activity())).status, 200)
  assert.equal((await post(path, token(MICROSOFT, claims({ nbf: now() + 290 })), activity())).status, 200)
})

test('teams: a tenant that the channel is not bound to is another workspace', async (t) => {
  const { id, path } = await line(t, 'teams', { appId: APP }, MICROSOFT)
  await house.admin.changeChannel(house.tenant, id, { workspaces: ['tenant-1'] })
  assert.equal((await post(path, token(MICROSOFT, claims()), activity())).status, 200)
  const two = activity({ channelData: { tenant: { id: 'tenant-2' } } })
  const answered = await post(path, token(MICROSOFT, claims()), two)
  assert.equal((JSON.parse(answered.body) as { code: string }).code, 'other-workspace')
})

test('an issuer that is down: 503 and Retry-After until it is back, then the same webhook is taken', async (t) => {
  const { id, path, issuer } = await line(t, 'teams', { appId: APP }, MICROSOFT)
  issuer.answer(text('', 500))
  const body = activity()
  const refused = await post(path, token(MICROSOFT, claims()), body)
  assert.equal(refused.status, 503)
  assert.ok(Number(refused.headers['retry-after']) > 0)
  assert.deepEqual(await reasons(id, 1), ['vendor-unavailable'])
  assert.match(house.gate.log(), /"ingress\.vendor-keys-unread"/)
  issuer.answer(keySet(MICROSOFT))
  await until('the webhook is taken', async () => {
    return (await post(path, token(MICROSOFT, claims()), body)).status === 200 || undefined
  })
  assert.equal(issuer.asked(), 2)
})

test('teams: no credential can be added, and a channel needs its app', async () => {
  await assert.rejects(house.admin.createChannel(house.tenant, { name: 'no-app', source: 'teams' }))
  const settings = { appId: APP }
  const { id } = await house.admin.createChannel(house.tenant, { name: 'keyless', source: 'teams', settings })
  await assert.rejects(house.admin.createCredential(house.tenant, id, { value: 'f3k1Lm20cQzX87yT' }))
})

const event = (more: object = {}): object => ({
  type: 'MESSAGE',
  eventTime: '2026-01-01T00:00:00Z',
  space: { name: 'spaces/A', customer: 'customers/C1' },
  message: { name: `spaces/A/messages/${Math.random()}`, text: 'hello' },
  user: { name: 'users/1', displayName: 'A' },
  ...more,
})

const identity = (more: object = {}): Record<string, unknown> => ({
  iss: 'https://accounts.google.com',
  aud: URL_AUDIENCE,
  email: CHAT,
  email_verified: true,
  iat: now(),
  exp: now() + 3_600,
  ...more,
})

test('google-chat: both audiences', async (t) => {
  const byUrl = await line(t, 'google-chat', { audience: { kind: 'url', url: URL_AUDIENCE } }, GOOGLE)
  const byProject = await line(t, 'google-chat', { audience: { kind: 'project', number: PROJECT } }, GOOGLE)
  const answered = await post(byUrl.path, token(GOOGLE, identity()), event())
  assert.deepEqual([answered.status, answered.body], [200, '{}'])
  const short = identity({ iss: 'accounts.google.com' })
  assert.equal((await post(byUrl.path, token(GOOGLE, short), event())).status, 200)
  const project = { iss: CHAT, aud: PROJECT, iat: now(), exp: now() + 3_600 }
  assert.equal((await post(byProject.path, token(GOOGLE, project), event())).status, 200)
  // Each kind is of its own: a token of the one proves nothing to the other.
  assert.equal(
    (await post(byUrl.path, token(GOOGLE, { ...project, aud: URL_AUDIENCE }), event())).status,
    401,
  )
  assert.equal((await post(byProject.path, token(GOOGLE, identity({ aud: PROJECT })), event())).status, 401)
})

test('google-chat: identity, not just signature: what Google signs for others is refused', async (t) => {
  const { id, path } = await line(t, 'google-chat', { audience: { kind: 'url', url: URL_AUDIENCE } }, GOOGLE)
  const cases: readonly (readonly [string, Record<string, unknown>])[] = [
    ['issuer', identity({ email: 'someone@gmail.com' })],
    ['issuer', identity({ email: `service-${PROJECT}@gcp-sa-gsuiteaddons.iam.gserviceaccount.com` })],
    ['issuer', identity({ email: `x${CHAT}` })],
    ['issuer', identity({ email: CHAT.toUpperCase() })],
    ['issuer', identity({ email_verified: false })],
    ['issuer', identity({ email_verified: 'true' })],
    ['issuer', identity({ email: undefined })],
    ['issuer', identity({ iss: 'https://accounts.google.com.example.com' })],
    ['audience', identity({ aud: `${URL_AUDIENCE}/other` })],
    ['audience', identity({ aud: undefined })],
    ['timestamp', identity({ exp: now() - 400 })],
  ]
  for (const [reason, payload] of cases)
    assert.equal((await post(path, token(GOOGLE, payload), event())).status, 401, reason)
  assert.deepEqual(await reasons(id, cases.length), cases.map(([reason]) => reason).toSorted())
})
