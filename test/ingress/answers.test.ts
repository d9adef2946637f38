/**
 * What the listener says, to whom, from outside the process. In: requests good and bad on real sockets. Out: for each step
 * of the ingress the answer that its list promises. Refuses an answer that tells a prober why, a connection left open
 * after an unread body, and a refusal that an operator cannot see.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eachEngine } from '../support/engines.ts'
import {
  type Answered,
  adminOf,
  type House,
  metric,
  openHouse,
  openLine,
  send,
  speak,
  startApp,
  until,
} from '../support/ingress.ts'
import { SOURCE_NAMES, vendor, WORKSPACE } from './vendors.ts'

const UNKNOWN = '/in/chn_00000000000000000000000000'

eachEngine('answers of the listener', async (engine, t) => {
  const house = await openHouse(engine)
  try {
    await t.test('proof: one plain 401 whatever the reason', () => oneAnswer(house))
    await t.test('a header that came twice is not there', () => twice(house))
    await t.test('unknown channels and paths: 404', () => unknown(house))
    await t.test('other methods: 405 with Allow', () => methods(house))
    await t.test('no length: 411', () => noLength(house))
    await t.test('other content types: 415, before and after proof', () => contentTypes(house))
    await t.test('proved but malformed: 400', () => malformed(house))
    await t.test('another workspace: 403, counted, a security event, nothing stored', () => mismatch(house))
    await t.test('a paused channel: 503 with Retry-After', () => paused(house))
    await t.test('handshakes are answered after proof and stored nowhere', () => handshakes(house))
    await t.test('refusals are kept for the operator', () => kept(house))
  } finally {
    await house.close()
  }
})

eachEngine('duplicates answer as the first did and reach the app once', async (engine) => {
  const house = await openHouse(engine)
  const app = await startApp()
  try {
    const lines = []
    for (const name of SOURCE_NAMES) {
      const from = vendor(name)
      lines.push({ from, line: await openLine(house, name, from.secret, from) })
    }
    const channels = lines.map(({ line }) => line.id)
    await house.admin.createSubscription(house.tenant, { name: 'bot', mode: 'push', url: app.url, channels })
    for (const { from, line } of lines) {
      const request = from.says({ n: 1 })
      const first = await send(house.gate.publicUrl + line.path, request)
      assert.equal(first.status, from.ack, from.source)
      for (let copy = 0; copy < 3; copy++) {
        const again = await send(house.gate.publicUrl + line.path, request)
        assert.deepEqual(told(again), told(first), from.source)
      }
      assert.equal(await duplicates(house, from.source), 3, from.source)
    }
    await until('the app has all', () => app.got.length >= SOURCE_NAMES.length || undefined)
    // A second of one source that is new: had a copy been queued, it would have come before.
    const [slack] = lines
    assert.ok(slack)
    await send(house.gate.publicUrl + slack.line.path, slack.from.says({ n: 2 }))
    await until('the app has the last', () => app.got.length > SOURCE_NAMES.length || undefined)
    assert.equal(app.got.length, SOURCE_NAMES.length + 1)
  } finally {
    await house.close()
    await app.close()
  }
})

test('over the rate: 429 with Retry-After, and later it is taken', async () => {
  const house = await openHouse({ engine: 'sqlite', file: '' }, { env: { GATEHOUSE_INGRESS_RATE: '3' } })
  try {
    const from = vendor('slack')
    const line = await openLine(house, 'slack', from.secret)
    const url = house.gate.publicUrl + line.path
    const answers = await Promise.all(Array.from({ length: 12 }, (_, n) => send(url, from.says({ n }))))
    const refused = answers.filter(({ status }) => status === 429)
    assert.ok(refused.length > 0 && refused.length < answers.length, `${refused.length} of 12 were refused`)
    assert.ok(answers.every(({ status }) => status === 200 || status === 429))
    assert.ok(refused.every(({ headers }) => Number(headers['retry-after']) >= 1))
    const forged = { ...from.says({ n: 99 }), body: '{}' }
    const unproved = await Promise.all(Array.from({ length: 12 }, () => send(url, forged)))
    assert.ok(
      unproved.every(({ status }) => status === 401),
      'what is not proved must not use up the rate of who is',
    )
    const again = Array.from(answers.entries()).find(([, { status }]) => status === 429)
    assert.ok(again)
    const taken = await until('the rate lets one through', async () => {
      const { status } = await send(url, from.says({ n: again[0] }))
      return status === 200 || undefined
    })
    assert.ok(taken)
  } finally {
    await house.close()
  }
})

async function oneAnswer(house: House): Promise<void> {
  const from = vendor('slack')
  const line = await openLine(house, 'slack', from.secret)
  const revoked = await openLine(house, 'slack', from.secret)
  await house.admin.revokeCredential(house.tenant, revoked.id, revoked.credential, { reason: 'test' })
  const good = from.says({ n: 1 })
  const { 'x-slack-signature': _, ...unsigned } = good.headers
  const headers = (change: Record<string, string>) => ({ ...good, headers: { ...good.headers, ...change } })
  const bad = {
    'missing header': { ...good, headers: unsigned },
    'bad hex': headers({ 'x-slack-signature': 'v0=zz' }),
    'short signature': headers({ 'x-slack-signature': 'v0=00' }),
    'bad time': headers({ 'x-slack-request-timestamp': '1e9' }),
    stale: from.says({ n: 1, now: Date.now() - 301_000 }),
    early: from.says({ n: 1, now: Date.now() + 302_000 }),
    'other secret': vendor('slack').says({ n: 1 }),
    'changed body': { ...good, body: good.body.replace('hello', 'hullo') },
  }
  const answers: Answered[] = [await send(house.gate.publicUrl + revoked.path, good)]
  for (const request of Object.values(bad))
    answers.push(await send(house.gate.publicUrl + line.path, request))
  const [first] = answers
  assert.ok(first)
  assert.equal(first.status, 401)
  for (const answer of answers) assert.deepEqual(told(answer), told(first))
  assert.doesNotMatch(first.body, /signature|timestamp|hex|credential|slack/i)
}

async function twice(house: House): Promise<void> {
  const from = vendor('slack')
  const line = await openLine(house, 'slack', from.secret)
  const { headers, body } = from.says({ n: 1 })
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  const signature = lines.find((one) => one.startsWith('x-slack-signature')) ?? ''
  for (const second of [signature, signature.replace('v0=', 'v0=00'), signature.toUpperCase()]) {
    const head = [
      `POST ${line.path} HTTP/1.1`,
      'host: gate',
      ...lines,
      second,
      `content-length: ${body.length}`,
    ]
    const { text } = await speak(house.gate.publicUrl, [
      `${head.join('\r\n')}\r\nconnection: close\r\n\r\n${body}`,
    ])
    assert.match(text, /^HTTP\/1\.1 401 /)
  }
  const once = [`POST ${line.path} HTTP/1.1`, 'host: gate', ...lines, `content-length: ${body.length}`]
  const { text } = await speak(house.gate.publicUrl, [
    `${once.join('\r\n')}\r\nconnection: close\r\n\r\n${body}`,
  ])
  assert.match(text, /^HTTP\/1\.1 200 /)
}

async function unknown(house: House): Promise<void> {
  const from = vendor('slack')
  const line = await openLine(house, 'slack', from.secret)
  const good = from.says({ n: 1 })
  const paths = [
    UNKNOWN,
    '/',
    '/in/',
    '/in',
    `${line.path}/`,
    `/x${line.path}`,
    line.path.toUpperCase(),
    '/in/__proto__',
  ]
  const first = await send(house.gate.publicUrl + UNKNOWN, good)
  assert.equal(first.status, 404)
  for (const path of paths)
    assert.deepEqual(told(await send(house.gate.publicUrl + path, good)), told(first), path)
}

async function methods(house: House): Promise<void> {
  const from = vendor('slack')
  const line = await openLine(house, 'slack', from.secret)
  for (const path of [line.path, UNKNOWN]) {
    for (const method of ['PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE']) {
      const answer = await send(house.gate.publicUrl + path, { ...from.says({ n: 1 }), method })
      assert.equal(answer.status, 405, method)
      assert.match(answer.headers.allow ?? '', /^POST\b/)
      assert.equal(answer.headers.connection, 'close')
    }
    // Some vendors' handshakes are GET; Slack's are not, and a signed body proves nothing there.
    const { status } = await send(house.gate.publicUrl + path, { ...from.says({ n: 1 }), method: 'GET' })
    assert.ok([401, 404, 405].includes(status), `GET: ${status}`)
  }
}

async function noLength(house: House): Promise<void> {
  const line = await openLine(house, 'slack', vendor('slack').secret)
  for (const path of [line.path, UNKNOWN]) {
    const { text } = await speak(house.gate.publicUrl, [`POST ${path} HTTP/1.1\r\nhost: gate\r\n\r\n`])
    assert.match(text, /^HTTP\/1\.1 411 /)
    assert.match(text, /connection: close/i)
  }
}

async function contentTypes(house: House): Promise<void> {
  const from = vendor('slack')
  const line = await openLine(house, 'slack', from.secret)
  const url = house.gate.publicUrl + line.path
  const good = from.says({ n: 1 })
  const as = (type: string) => ({ ...good, headers: { ...good.headers, 'content-type': type } })
  for (const type of ['text/html', 'multipart/form-data; boundary=x', 'application/xml']) {
    const answer = await send(url, as(type))
    assert.equal(answer.status, 415, type)
    assert.equal(answer.headers.connection, 'close')
  }
  // Some source takes these, Slack does not: only a proved sender learns that.
  assert.equal((await send(url, as('application/octet-stream'))).status, 415)
  const forged = { ...as('application/octet-stream'), body: '{}' }
  assert.equal((await send(url, forged)).status, 401)
  assert.equal((await send(url, as('application/json; charset=utf-8'))).status, 200)
}

async function malformed(house: House): Promise<void> {
  const from = vendor('slack')
  const line = await openLine(house, 'slack', from.secret)
  const url = house.gate.publicUrl + line.path
  const bodies = [
    '{"type":',
    '{"a":1}x',
    '[' + '['.repeat(100) + ']'.repeat(101),
    `[${'0,'.repeat(200_001)}0]`,
    'payload=not-json',
    'a=1&a=2',
    'a=%zz',
    '{"type":"url_verification"}',
    JSON.stringify({ team_id: 'T'.repeat(300), type: 'event_callback' }),
    JSON.stringify({ team_id: 'T\u0000', type: 'event_callback' }),
  ]
  for (const body of bodies) {
    const answer = await send(url, from.signs(body))
    assert.equal(answer.status, 400, body.slice(0, 40))
    assert.equal((await send(url, { ...from.signs(body), body: `${body} ` })).status, 401)
  }
  assert.equal(await deliveriesOf(house, line.id), 0)
}

async function mismatch(house: House): Promise<void> {
  const from = vendor('slack')
  const line = await openLine(house, 'slack', from.secret, { workspaces: [WORKSPACE] })
  const url = house.gate.publicUrl + line.path
  const counted = () => metric(house.admin, 'gatehouse_tenant_mismatch_total', { channel: line.id })
  const events = async () => {
    const { items } = await house.admin.listTenantEvents(house.tenant, { action: 'security.tenant-mismatch' })
    return items.filter(({ target }) => target === line.id)
  }
  const named = (body: string) => from.signs(body.replaceAll(WORKSPACE, 'T0OTHER'), { n: 1 })
  const answer = await send(url, named(from.says({ n: 1 }).body))
  assert.equal(answer.status, 403)
  assert.equal(await counted(), 1)
  const [event, ...more] = await events()
  assert.deepEqual([event?.outcome, more.length], ['denied', 0])
  // Naming none at all, or both, is no way around.
  for (const body of [
    '{"type":"event_callback"}',
    `{"team_id":"${WORKSPACE}","authorizations":[{"team_id":"T0OTHER"}]}`,
  ]) {
    assert.equal((await send(url, from.signs(body))).status, 403, body)
  }
  assert.equal(await counted(), 3)
  // A body, header or path that nobody proved counts for nothing.
  const forged = { ...named('{}'), body: '{"team_id":"T0OTHER"}' }
  assert.equal((await send(url, forged)).status, 401)
  assert.equal(await counted(), 3)
  assert.equal((await events()).length, 3)
  assert.equal(await deliveriesOf(house, line.id), 0)
  assert.equal(
    (await send(url, from.says({ n: 1 }))).status,
    200,
    'what was refused before is not remembered',
  )
  assert.equal(await deliveriesOf(house, line.id), 1)
}

async function paused(house: House): Promise<void> {
  const from = vendor('github')
  const line = await openLine(house, 'github', from.secret)
  const url = house.gate.publicUrl + line.path
  await house.admin.changeChannel(house.tenant, line.id, { state: 'paused' })
  const answer = await send(url, from.says({ n: 1 }))
  assert.equal(answer.status, 503)
  assert.ok(Number(answer.headers['retry-after']) > 0)
  assert.equal((await send(url, { ...from.says({ n: 1 }), body: '{}' })).status, 401)
  await house.admin.changeChannel(house.tenant, line.id, { state: 'active' })
  assert.equal((await send(url, from.says({ n: 1 }))).status, 202)
}

async function handshakes(house: House): Promise<void> {
  const slack = vendor('slack')
  const line = await openLine(house, 'slack', slack.secret, { workspaces: [WORKSPACE] })
  const challenge = 'a-challenge-that-only-proof-earns'
  const body = JSON.stringify({ type: 'url_verification', token: 't', challenge })
  const unproved = await send(house.gate.publicUrl + line.path, { ...vendor('slack').signs(body) })
  assert.equal(unproved.status, 401)
  assert.ok(!unproved.body.includes(challenge))
  const proved = await send(house.gate.publicUrl + line.path, slack.signs(body))
  assert.deepEqual(
    [proved.status, proved.body, proved.headers['content-type']],
    [200, challenge, 'text/plain'],
  )
  assert.equal(await deliveriesOf(house, line.id), 0)

  const discord = vendor('discord')
  const other = await openLine(house, 'discord', discord.secret)
  const ping = '{"id":"1","application_id":"2","type":1,"token":"t","version":1}'
  const forged = await send(house.gate.publicUrl + other.path, vendor('discord').signs(ping))
  assert.equal(forged.status, 401)
  const pong = await send(house.gate.publicUrl + other.path, discord.signs(ping))
  assert.deepEqual([pong.status, pong.body], [200, '{"type":1}'])
  assert.equal(await deliveriesOf(house, other.id), 0)
}

async function kept(house: House): Promise<void> {
  const from = vendor('slack')
  const line = await openLine(house, 'slack', from.secret, { workspaces: [WORKSPACE] })
  const url = house.gate.publicUrl + line.path
  const body = from.says({ n: 1, text: 'a text that nobody keeps' }).body
  await send(url, { ...from.signs(body), headers: {} })
  await send(url, from.signs(body, { now: Date.now() - 900_000 }))
  const last = await send(url, { ...from.signs('x'), body })
  await send(url, from.signs('{'))
  await send(url, from.signs(body.replaceAll(WORKSPACE, 'T0OTHER')))
  const wanted = ['malformed', 'missing-header', 'other-workspace', 'signature', 'timestamp']
  const items = await until('five refusals are kept', async () => {
    const { items: found } = await house.admin.listRefusals(house.tenant, line.id)
    return found.length >= wanted.length ? found : undefined
  })
  assert.deepEqual(items.map(({ reason }) => reason).toSorted(), wanted)
  assert.ok(items.some(({ requestId }) => requestId === last.headers['gatehouse-request-id']))
  assert.ok(!JSON.stringify(items).includes('nobody keeps'))
}

/** All of an answer but what names the one request. */
function told({ status, headers, body }: Answered): unknown {
  const { date: _, 'gatehouse-request-id': __, ...rest } = headers
  return { status, headers: rest, body }
}

async function deliveriesOf(house: House, channel: string): Promise<number> {
  return (await house.admin.listDeliveries(house.tenant, { channel })).items.length
}

async function duplicates(house: House, source: string): Promise<number> {
  return await metric(adminOf(house, house.gate), 'gatehouse_ingress_duplicates_total', { source })
}
