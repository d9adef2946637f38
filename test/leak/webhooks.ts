/**
 * Webhooks that carry canaries, of every source, taken and refused for every reason. In: a house. Out: the channels with
 * their vendors, some accepted delivery each. Refuses nothing; it throws when an answer is not the one that its path means.
 */
import assert from 'node:assert/strict'
import { type House, type Line, openLine, send, speak } from '../support/ingress.ts'
import {
  SOURCE_NAMES,
  type Signed,
  type SourceName,
  type Vendor,
  vendor,
  WORKSPACE,
} from '../ingress/vendors.ts'
import type { Planted } from './canaries.ts'

export interface Aimed {
  readonly from: Vendor
  readonly line: Line
}

/** Sources whose deliveries name a workspace that we may bind the channel to. */
const BOUND: ReadonlySet<string> = new Set(['slack', 'pumble', 'discord'])
const MIB = 1024 * 1024

export async function webhooks(house: House, canaries: Planted): Promise<readonly Aimed[]> {
  const lines: Aimed[] = []
  for (const name of SOURCE_NAMES) {
    const from = vendor(name, secretFor(name, canaries))
    if (from.secretIsPrivate) canaries.secrets.watch(`${name} secret as given`, from.secret)
    const line = await openLine(house, name, from.secret, {
      ...(from.settings !== undefined && { settings: from.settings }),
      ...(BOUND.has(name) && { workspaces: [WORKSPACE] }),
    })
    lines.push({ from, line })
    await taken(house, canaries, { from, line })
    await refusedByProof(house, canaries, { from, line })
    await refusedBefore(house, canaries, { from, line })
    await refusedAfter(house, canaries, { from, line })
  }
  await handshakes(house, canaries, lines)
  await rotations(house, canaries, lines)
  return lines
}

function secretFor(name: SourceName, { secrets }: Planted): string | undefined {
  const text = secrets.plant(`${name} credential secret`)
  if (name === 'discord') return undefined
  // 24 to 64 bytes, in base64 as the scheme has it; the canary is inside.
  return name === 'svix' || name === 'standard-webhooks'
    ? `whsec_${Buffer.from(`${text}0123456789`).toString('base64')}`
    : text
}

/** Headers that vendors and proxies add, which nobody asked for. */
function strayHeaders({ secrets }: Planted): Record<string, string> {
  return Object.fromEntries(
    [
      'user-agent',
      'cookie',
      'authorization',
      'x-forwarded-for',
      'x-request-id',
      'traceparent',
      'referer',
    ].map((name) => [name, secrets.plant(`header ${name} of a webhook`)]),
  )
}

async function taken(house: House, canaries: Planted, { from, line }: Aimed): Promise<void> {
  const { texts, secrets } = canaries
  const said = {
    n: 1,
    text: texts.plant(`${from.source} text`),
    sender: texts.plant(`${from.source} sender`),
    id: texts.plant(`${from.source} delivery id`),
  }
  const { headers, body } = from.says(said)
  const query = `?token=${secrets.plant(`${from.source} query`)}`
  const url = house.gate.publicUrl + line.path + query
  for (const times of ['first', 'duplicate']) {
    const answer = await send(url, { headers: { ...headers, ...strayHeaders(canaries) }, body })
    assert.equal(answer.status, from.ack, `${from.source} ${times}: ${answer.body}`)
  }
}

/** Refused for want of proof: each with texts that nobody has vouched for. */
async function refusedByProof(house: House, canaries: Planted, { from, line }: Aimed): Promise<void> {
  const { texts, secrets } = canaries
  const url = house.gate.publicUrl + line.path
  const say = (label: string) => {
    const text = texts.plant(`${from.source} ${label} text`)
    return from.says({ n: 2, text, sender: texts.plant(`${from.source} ${label} sender`) })
  }
  const stranger = vendor(from.source as SourceName).says({ n: 3, text: texts.plant('a stranger’s text') })
  const { headers } = say('headers')
  const overwritten = Object.fromEntries(
    Object.keys(headers)
      .filter((name) => name !== 'content-type')
      .map((name) => [name, secrets.plant(`${from.source} ${name}`)]),
  )
  const requests: Signed[] = [
    stranger,
    { ...say('unsigned'), headers: { 'content-type': 'application/json' } },
    { ...say('bad header'), headers: { ...headers, ...overwritten } },
  ]
  if (from.signsTime)
    requests.push(from.says({ n: 4, text: texts.plant('a stale text'), now: Date.now() - 9e5 }))
  for (const request of requests) assert.equal((await send(url, request)).status, 401, from.source)
}

/** Refused before anybody knows which channel is meant. */
async function refusedBefore(house: House, canaries: Planted, { from, line }: Aimed): Promise<void> {
  const { texts, secrets } = canaries
  const { publicUrl } = house.gate
  const good = from.says({ n: 5, text: texts.plant('a text to nowhere') })
  const to = async (path: string, change: Record<string, string> = {}, method = 'POST') => {
    return (await send(publicUrl + path, { ...good, method, headers: { ...good.headers, ...change } })).status
  }
  assert.equal(await to(`/in/${secrets.plant('a channel id')}`), 404)
  assert.equal(await to(`/${secrets.plant('a path')}?${secrets.plant('a query')}`), 404)
  assert.equal(await to(line.path, { 'content-type': `text/${secrets.plant('a content type')}` }), 415)
  assert.equal(await to(line.path, {}, 'PUT'), 405)
  const oversized = texts.plant('an oversized text').repeat(MIB / 16)
  assert.equal((await send(publicUrl + line.path, from.signs(oversized))).status, 413)
  const head = `POST ${line.path} HTTP/1.1\r\nhost: ${secrets.plant('a host')}\r\n`
  for (const rest of [
    `content-length: ${secrets.plant('a length')}\r\n\r\n`,
    `${secrets.plant('a header without a colon')}\r\n\r\n`,
    `x: ${secrets.plant('a huge header').repeat(2_000)}\r\n\r\n`,
    `transfer-encoding: chunked\r\n\r\n${secrets.plant('a chunk length')}\r\n`,
    `\r\n`,
  ]) {
    assert.match((await speak(publicUrl, [head + rest], 2_000)).text, /^HTTP\/1\.1 4/)
  }
  assert.match(
    (await speak(publicUrl, [`${secrets.plant('a method')} / HTTP/1.1\r\n\r\n`], 2_000)).text,
    /^HTTP\/1\.1 4/,
  )
}

/** Proved, and refused for what it says. */
async function refusedAfter(house: House, canaries: Planted, { from, line }: Aimed): Promise<void> {
  const { texts } = canaries
  const url = house.gate.publicUrl + line.path
  const genuine = from.says({ n: 6, text: texts.plant(`${from.source} text of another workspace`) })
  if (BOUND.has(from.source)) {
    const other = genuine.body.replaceAll(WORKSPACE, texts.plant('another workspace'))
    assert.equal((await send(url, from.signs(other))).status, 403, from.source)
  }
  const deep = `${'['.repeat(100)}"${texts.plant('a deep text')}"${']'.repeat(100)}`
  const torn = `{"text":"${texts.plant('a torn text')}`
  for (const body of [deep, torn]) {
    const { status } = await send(url, from.signs(body))
    assert.ok(status === 400 || takesText(from, status), `${from.source}: ${status}`)
  }
  const { admin, tenant } = house
  await admin.changeChannel(tenant, line.id, { state: 'paused' })
  const paused = from.says({ n: 7, text: texts.plant('a text while paused') })
  assert.equal((await send(url, paused)).status, 503)
  await admin.changeChannel(tenant, line.id, { state: 'active' })
}

/** These take any text, so what is no JSON to others is a delivery here. */
function takesText({ source, ack }: Vendor, status: number): boolean {
  return ['generic-hmac', 'standard-webhooks', 'svix'].includes(source) && status === ack
}

async function handshakes(house: House, { texts }: Planted, lines: readonly Aimed[]): Promise<void> {
  const slack = lines.find(({ from }) => from.source === 'slack')
  assert.ok(slack)
  const challenge = texts.plant('a challenge')
  const body = JSON.stringify({
    type: 'url_verification',
    token: texts.plant('Slack’s old token'),
    challenge,
  })
  const url = house.gate.publicUrl + slack.line.path
  assert.equal((await send(url, slack.from.signs(body))).body, challenge)
  assert.equal((await send(url, vendor('slack').signs(body))).status, 401)
}

async function rotations(
  { admin, tenant, gate }: House,
  { secrets, texts }: Planted,
  lines: readonly Aimed[],
): Promise<void> {
  for (const { from, line } of lines) {
    if (from.source === 'github' || from.source === 'telegram' || from.source === 'svix') {
      const made = await admin.rotateCredential(tenant, line.id, line.credential, { overlapSeconds: 600 })
      secrets.watch(`${from.source} secret made by the gate`, made.value ?? '')
      const later = vendor(from.source as SourceName, made.value).says({
        n: 8,
        text: texts.plant('a later text'),
      })
      assert.equal((await send(gate.publicUrl + line.path, later)).status, from.ack)
      await admin.revokeCredential(tenant, line.id, made.id, { reason: 'leaked' })
    } else if (from.secretIsPrivate && from.source !== 'standard-webhooks') {
      const value = secrets.plant(`${from.source} rotated secret`)
      const answer = await admin.rotateCredential(tenant, line.id, line.credential, {
        value,
        overlapSeconds: 600,
      })
      assert.ok(!JSON.stringify(answer).includes(value), 'a secret that was given is not given back')
    }
  }
}
