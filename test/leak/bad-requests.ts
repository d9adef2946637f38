/**
 * Operators' mistakes that hold secrets. In: a house. Out: every answer of the admin listener to them, which must repeat
 * none. Refuses nothing; it throws when a mistake is taken.
 */
import assert from 'node:assert/strict'
import { type House, speak } from '../support/ingress.ts'
import type { Haystack, Planted } from './canaries.ts'
import type { Aimed } from './webhooks.ts'

interface Mistake {
  readonly method?: string
  readonly path: string
  readonly token?: string
  readonly key?: string
  readonly body?: unknown
  readonly text?: string
  readonly type?: string
}

export async function badRequests(
  house: House,
  { secrets }: Planted,
  lines: readonly Aimed[],
): Promise<readonly Haystack[]> {
  const tenant = `/v1/tenants/${house.tenant}`
  const channelOf = (source: string): string => {
    const found = lines.find(({ from }) => from.source === source)
    return `${tenant}/channels/${found?.line.id ?? ''}`
  }
  const plant = (label: string): string => secrets.plant(label)
  const mistakes: Mistake[] = [
    { path: '/v1/whoami', method: 'GET', token: plant('a wrong token') },
    { path: '/v1/whoami', method: 'GET', token: `gh_${plant('a token of our form').padEnd(43, 'x')}` },
    { path: `/v1/tenants/${plant('a tenant id')}`, method: 'GET' },
    { path: `/v1/${plant('a path')}`, method: 'GET' },
    { path: `/v1/tenants?cursor=${plant('a cursor')}&${plant('a query name')}=1`, method: 'GET' },
    { path: `/v1/whoami?access_token=${plant('a token in a query')}`, method: 'GET' },
    {
      path: `${tenant}/channels/${plant('a channel id')}/credentials`,
      body: { value: plant('a secret for no channel') },
    },
    { path: '/v1/claim', body: { code: plant('a wrong claim code') } },
    { path: '/v1/claim', body: { code: plant('a long claim code').repeat(9) } },
    { path: '/v1/tenants', text: `{"name":"${plant('torn JSON')}` },
    { path: '/v1/tenants', body: { name: 'x', [plant('an unknown field')]: plant('its value') } },
    { path: '/v1/tenants', body: { name: [plant('a name of the wrong type')] } },
    { path: '/v1/tenants', body: { name: 'x' }, type: `text/${plant('a content type')}` },
    { path: '/v1/tenants', body: { name: 'x' }, key: plant('a key that is too long').repeat(20) },
    {
      path: `${channelOf('telegram')}/credentials`,
      body: { value: `${plant('an impossible secret token')} !` },
    },
    { path: `${channelOf('svix')}/credentials`, body: { value: `whsec_${plant('no base64')}!` } },
    { path: `${channelOf('svix')}/credentials`, body: { value: `whpk_${plant('no public key')}` } },
    { path: `${channelOf('discord')}/credentials`, body: { value: plant('no hex') } },
    { path: `${channelOf('slack')}/credentials`, body: { value: `\${${plant('a placeholder')}}` } },
    { path: `${channelOf('slack')}/credentials`, body: { value: ` ${plant('with a space')}` } },
    { path: `${channelOf('slack')}/credentials`, body: { value: plant('a huge secret').repeat(1_000) } },
    { path: `${channelOf('slack')}/credentials`, body: { secret: plant('a secret in a wrong field') } },
    {
      path: `${tenant}/channels`,
      body: { name: 'x', source: 'generic-hmac', settings: { [plant('a setting')]: 1 } },
    },
    {
      path: `${tenant}/channels`,
      body: { name: 'x', source: 'generic-hmac', settings: { header: `${plant('a header')} :` } },
    },
    { path: `${tenant}/channels`, body: { name: 'x', source: plant('a source') } },
    ...['ftp://', 'http://user:pw@', 'https://10.0.0.1/', 'https://'].map((start) => ({
      path: `${tenant}/subscriptions`,
      body: {
        name: 'x',
        mode: 'push',
        url: `${start}${plant('a push URL')}:99999/`,
        channels: [lines[0]?.line.id],
      },
    })),
    { path: `${tenant}/deliveries/${plant('a delivery id')}/body`, method: 'GET' },
    { path: '/v1/pull/lease', body: { max: 1 }, token: plant('a wrong pull token') },
    { path: '/v1/pull/ack', body: { leases: [plant('a lease')] } },
  ]
  const answers: Haystack[] = []
  for (const [i, mistake] of mistakes.entries()) answers.push(await made(house, mistake, i))
  for (const line of [`GET /${plant('a raw path')} HTTP/9\r\n\r\n`, `${plant('no HTTP')}\r\n\r\n`]) {
    const { text } = await speak(house.gate.adminUrl, [line], 1_000)
    answers.push({ place: 'answer to no HTTP', bytes: Buffer.from(text) })
  }
  return [...answers, ...(await repeatedKey(house, secrets.plant('an idempotency key')))]
}

async function made(house: House, mistake: Mistake, i: number): Promise<Haystack> {
  const { method = 'POST', path, token = house.token, key = `key-${i}`, body, text, type } = mistake
  const sent = text ?? (body === undefined ? undefined : JSON.stringify(body))
  const answer = await fetch(house.gate.adminUrl + path, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': type ?? 'application/json',
      ...(method === 'GET' ? {} : { 'idempotency-key': key }),
    },
    ...(sent !== undefined && { body: sent }),
  })
  const got = await answer.text()
  assert.ok(!answer.ok, `${method} ${path} was taken: ${got}`)
  assert.ok(answer.status < 500, `${method} ${path}: ${answer.status} ${got}`)
  const headers = [...answer.headers].map(([name, value]) => `${name}: ${value}`)
  return {
    place: `answer to ${method} ${path.split('?', 1)[0]}`,
    bytes: Buffer.from([...headers, got].join('\n')),
  }
}

/** The same key for another request: refused, and neither the key nor the request is repeated. */
async function repeatedKey(house: House, key: string): Promise<readonly Haystack[]> {
  await house.admin.createTenant({ name: 'one' }, { idempotencyKey: key })
  const mistake = { path: '/v1/tenants', body: { name: 'another' }, key }
  return [await made(house, mistake, 0)]
}
