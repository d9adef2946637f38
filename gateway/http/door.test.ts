import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiRefusal, Client, Unreachable } from '@gatehouse/contract/client.ts'
import { eachEngine } from '../../test/support/engines.ts'
import { startAdmin } from '../admin.fixture.ts'

async function code(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof ApiRefusal, String(error))
  return error.problem.code
}

async function problem(answer: Response): Promise<{ status: number; code: string; text: string }> {
  assert.equal(answer.headers.get('content-type'), 'application/problem+json')
  const text = await answer.text()
  return { status: answer.status, code: (JSON.parse(text) as { code: string }).code, text }
}

eachEngine('a token reaches its own tenant, within its scopes, while it lives', async (engine, t) => {
  const gate = await startAdmin(engine)
  t.after(() => gate.stop())
  const { client } = await gate.administrator()
  const { id: own } = await client.createTenant({ name: 'own' })
  const { id: other } = await client.createTenant({ name: 'other' })
  const made = await client.createToken({
    name: 'bound',
    tenant: own,
    scopes: ['channel:read', 'token:read', 'token:write', 'tenant:read'],
    expiresInSeconds: 3600,
  })
  const bound = gate.client(made.token)
  assert.deepEqual((await bound.listChannels(own)).items, [])
  assert.equal(await code(bound.listChannels(other)), 'not-found')
  assert.equal(await code(bound.readTenant(other)), 'not-found')
  assert.equal(await code(client.readTenant('ten_00000000000000000000000000')), 'not-found')
  assert.equal(await code(client.readTenant('ten_x')), 'not-found')
  assert.equal(await code(bound.createChannel(own, { name: 'x', source: 'timely' })), 'forbidden')
  assert.equal(await code(bound.listTenants()), 'forbidden')
  assert.equal(await code(bound.listEvents()), 'forbidden')

  assert.equal(await code(bound.createToken({ name: 'more', scopes: ['channel:write'] })), 'forbidden')
  assert.equal(
    await code(bound.createToken({ name: 'else', tenant: other, scopes: ['channel:read'] })),
    'not-found',
  )
  const child = await bound.createToken({ name: 'child', scopes: ['channel:read'], expiresInSeconds: 7200 })
  assert.equal(child.tenant, own, 'a bound token makes bound ones')
  assert.ok(Date.parse(child.expiresAt ?? '') <= Date.parse(made.expiresAt ?? ''), 'none outlives its maker')
  const seen = (await bound.listTokens()).items
  assert.ok(seen.every(({ tenant }) => tenant === own))
  const [administrator] = (await client.listTokens()).items.slice(-1)
  assert.equal(await code(bound.revokeToken(administrator?.id ?? '')), 'not-found')

  await client.revokeToken(child.id)
  assert.equal(await code(gate.client(child.token).listChannels(own)), 'unauthenticated')
  gate.pass(3_601_000)
  assert.equal(await code(bound.listChannels(own)), 'unauthenticated')

  const denials = gate.events.filter(({ action }) => action === 'access.denied')
  assert.ok(denials.some(({ target, details }) => target === 'readTenant' && details['code'] === 'not-found'))
})

eachEngine('the code of the first start makes one administrator, once', async (engine, t) => {
  const gate = await startAdmin(engine)
  t.after(() => gate.stop())
  const anyone = gate.client()
  const voided = await gate.claimCode()
  const live = await gate.claimCode()
  assert.match(live, /^([0-9A-Z]{5}-){3}[0-9A-Z]{5}$/)
  assert.equal(await code(anyone.claim({ code: voided })), 'claim-refused')
  assert.equal(await code(anyone.claim({ code: 'wrong' })), 'claim-refused')
  const both = await Promise.allSettled([
    anyone.claim({ code: live }),
    anyone.claim({ code: live.toLowerCase() }),
  ])
  assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  const old = await gate.claimCode()
  gate.pass(15 * 60_000)
  assert.equal(await code(anyone.claim({ code: old })), 'claim-refused')
  assert.equal(gate.events.filter(({ action }) => action === 'gate.claimed').length, 1)
})

eachEngine('what is not in the table does not exist, and says so plainly', async (engine, t) => {
  const gate = await startAdmin(engine)
  t.after(() => gate.stop())
  const { token } = await gate.administrator()
  const authorization = `Bearer ${token}`
  assert.equal((await problem(await fetch(`${gate.url}/v2/anything`))).code, 'not-found')
  assert.equal((await problem(await fetch(`${gate.url}/v1/tenants/`))).code, 'not-found')
  const wrong = await fetch(`${gate.url}/v1/tenants`, { method: 'PUT', headers: { authorization } })
  assert.equal(wrong.headers.get('allow'), 'GET, POST')
  assert.equal((await problem(wrong)).status, 405)
  const options = await fetch(`${gate.url}/v1/tenants`, {
    method: 'OPTIONS',
    headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
  })
  assert.equal(options.status, 405)
  assert.ok([...options.headers.keys()].every((name) => !name.startsWith('access-control-')))

  const answer = await fetch(`${gate.url}/v1/whoami`, {
    headers: { authorization, 'x-request-id': 'chosen-outside' },
  })
  assert.match(answer.headers.get('x-request-id') ?? '', /^req_[0-9a-f]{32}$/)
  assert.equal(answer.headers.get('x-content-type-options'), 'nosniff')
  assert.equal(answer.headers.get('cache-control'), 'no-store')
  assert.match(answer.headers.get('content-security-policy') ?? '', /default-src 'none'/)
  assert.deepEqual(gate.calls.at(-1)?.route, 'whoAmI')
})

eachEngine('a request is read strictly, and its values are never repeated', async (engine, t) => {
  const gate = await startAdmin(engine)
  t.after(() => gate.stop())
  const { token } = await gate.administrator()
  const send = (body: string | undefined, more: Record<string, string> = {}, path = '/v1/tenants') =>
    fetch(gate.url + path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        'idempotency-key': crypto.randomUUID(),
        ...more,
      },
      ...(body !== undefined && { body }),
    })
  const canary = 'c4n4ry-value'
  const bodies = [
    `{"name":"x","${canary}":1}`,
    `{"name":"x","extra":"${canary}"}`,
    `{"name":["${canary}"]}`,
    `{"name":"\\u0000${canary}"}`,
    `{"name":"\\ud800${canary}"}`,
    `{"name":"${canary}`,
    `[${'['.repeat(30_000)}`,
    '{"__proto__":{"name":"x"}}',
    '',
  ]
  for (const body of bodies) {
    const { code: given, text } = await problem(await send(body))
    assert.equal(given, 'bad-request', body.slice(0, 40))
    assert.ok(!text.includes(canary), body)
  }
  const unknown = await problem(await send('{"name":"x","extra":1}'))
  assert.match(unknown.text, /"path":"extra","message":"is not a field here"/)
  assert.equal(
    (await problem(await send('{"name":"x"}', { 'content-type': 'text/plain' }))).code,
    'content-type',
  )
  assert.equal((await problem(await send(`{"name":"${'x'.repeat(70_000)}"}`))).code, 'too-large')
  assert.equal(
    (await problem(await send('{"name":"x"}', { 'idempotency-key': '' }))).code,
    'idempotency-key-missing',
  )
  for (const query of ['?limit=0', '?limit=101', '?limit=1&limit=2', '?cursor=', '?unknown=1']) {
    assert.equal((await problem(await send(undefined, {}, `/v1/tenants${query}`))).code, 'bad-request', query)
  }
  for (const authorization of [
    '',
    'Bearer',
    `Basic ${token}`,
    'Bearer gh_short',
    `Bearer ${token.slice(0, -1)}A`,
  ]) {
    const refused = await send(undefined, { authorization })
    assert.equal(refused.headers.get('www-authenticate'), 'Bearer realm="gatehouse"')
    assert.equal((await problem(refused)).code, 'unauthenticated')
  }
  const chunked = await fetch(`${gate.url}/v1/claim`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    duplex: 'half',
    body: new ReadableStream({
      pull(controller) {
        controller.enqueue(Buffer.alloc(16_384, 0x20))
      },
    }),
  } as RequestInit)
  assert.equal((await problem(chunked)).code, 'too-large')
})

eachEngine('who calls too often waits', async (engine, t) => {
  const taken: string[] = []
  const gate = await startAdmin(engine, {
    deps: () => ({
      rates: {
        async take(rateClass, key) {
          taken.push(`${rateClass} ${key.replace(/_.*/, '')}`)
          return rateClass === 'read' ? { ok: false, retryAfterSeconds: 7 } : { ok: true }
        },
      },
    }),
  })
  t.after(() => gate.stop())
  const { client } = await gate.administrator()
  const error = await client.whoAmI().catch((thrown: unknown) => thrown)
  assert.ok(error instanceof ApiRefusal)
  assert.deepEqual([error.problem.code, error.retryAfterSeconds], ['too-many', 7])
  assert.deepEqual(taken, ['claim anyone', 'read tok'])
})

eachEngine('health is answered without a credential, readiness by its checks', async (engine, t) => {
  const gate = await startAdmin(engine)
  t.after(() => gate.stop())
  const anyone = gate.client()
  assert.deepEqual(await anyone.readHealth(), { ok: true })
  assert.deepEqual(await anyone.readReadiness(), { ready: true, checks: { store: 'ok' } })
  assert.match(await anyone.readMetrics(), /up 1/)
  assert.equal((await anyone.readOpenApi()).openapi, '3.1.0')
})

test('a client that reaches no gate says so, and not that it was refused', async () => {
  await assert.rejects(new Client({ url: 'http://127.0.0.1:1' }).readHealth(), Unreachable)
  const fake = async () => new Response('<html>', { status: 502 })
  await assert.rejects(new Client({ url: 'http://x.example', fetch: fake }).readHealth(), Unreachable)
})

eachEngine('a gate that is not ready names the check that fails', async (engine, t) => {
  const vitals = {
    check: () => Promise.resolve({ store: 'locked by another', rootKey: 'ok' }),
    metrics: () => Promise.reject(new Error('not asked')),
  }
  const gate = await startAdmin(engine, { rooms: { vitals } })
  t.after(() => gate.stop())
  const error = await gate
    .client()
    .readReadiness()
    .catch((thrown: unknown) => thrown)
  assert.ok(error instanceof ApiRefusal)
  assert.deepEqual([error.problem.code, error.problem.detail], ['unavailable', 'be ready: store failing'])
})
