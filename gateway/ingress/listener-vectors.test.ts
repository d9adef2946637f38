/**
 * Every published request through the running listener. In: the records that `check` reads, ours and the larger set. Out:
 * for each an answer over a real socket that agrees with its verdict, and for refusals the reason the operator sees.
 * Refuses any disagreement; what a socket cannot carry, or no channel can be made for, is counted and told.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { ApiRefusal, Client } from '@gatehouse/contract/client.ts'
import { openDataFolder } from '../data-folder.ts'
import { type Gate, start } from '../main.ts'
import { openKeyring } from '../secrets/keyring.ts'
import { fileRoot } from '../secrets/roots/file.ts'
import { newId } from '../store/id.ts'
import { openStore } from '../store/open.ts'
import type { Store } from '../store/store.ts'
import { check, credentialTexts, Recorded, settingsOf, sourceOf } from './check.ts'
import { sourceNamed } from './sources.ts'

const ROOT = join(import.meta.dirname, '../..')
const LARGER = join(process.env['GATEHOUSE_VECTORS'] ?? join(ROOT, '../shared/vectors'), 'webhooks.json')
/** Records without a time are of sources that look at none. */
const ANY_TIME = 1_700_000_000
/** Milliseconds: the gate writes refusals each second. */
const REFUSALS_WITHIN = 10_000

/** What the listener calls a reason, in the words of the vectors. */
const WORDS: Readonly<Record<string, string>> = {
  'malformed-header': 'malformed',
  'no-credential': 'signature',
}

interface Vector {
  readonly id: string
  readonly expect: 'accept' | 'reject'
  readonly reason?: string
  readonly method?: string
  readonly url?: string
  readonly headers: Readonly<Record<string, string>>
  readonly requiredHeaders?: readonly string[]
  readonly body?: string
  readonly bodyBase64?: string
  readonly bodyRepeat?: { readonly text: string; readonly count: number }
  readonly now?: number
  readonly toleranceSeconds?: number
}

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-vectors-'))
let now = 0
let gate: Gate
let store: Store
let admin: Client
let tenant: string

before(async () => {
  now = 1_000_000_000_000
  const env = { GATEHOUSE_LOG_LEVEL: 'error' }
  const argv = { data: join(folder, 'data'), publicListen: '127.0.0.1:0', adminListen: '127.0.0.1:0' }
  gate = await start({ argv, env, cwd: folder, clock: () => now })
  const { token } = await new Client({ url: gate.adminUrl }).claim({ code: gate.claim ?? '' })
  admin = new Client({ url: gate.adminUrl, token })
  tenant = (await admin.createTenant({ name: 'vectors' })).id
  store = await openStore({ engine: 'sqlite', file: join(folder, 'data/gatehouse.db') }, () => now)
})

after(async () => {
  await store.close()
  await gate.stop()
  rmSync(folder, { recursive: true, force: true })
})

test('our vectors agree through the listener', async (t) => {
  const files = readdirSync(join(ROOT, 'test/vectors')).filter((name) => name.endsWith('.json'))
  const vectors = files.flatMap((name) => vectorsIn(join(ROOT, 'test/vectors', name)))
  t.diagnostic(await agree(vectors.filter((vector) => check(vector).reason !== 'unsupported-source')))
})

test('the larger set agrees through the listener', async (t) => {
  if (!existsSync(LARGER)) return t.skip(`${LARGER} is not there: the larger set was not run`)
  const all = vectorsIn(LARGER)
  const ours = all.filter((vector) => check(vector).reason !== 'unsupported-source')
  t.diagnostic(`${ours.length} of ${all.length} are of sources we have: ${await agree(ours)}`)
})

/** Vectors of one time, source, settings and credentials share a channel. */
interface Group {
  readonly at: number
  readonly source: string
  readonly settings: Readonly<Record<string, unknown>>
  readonly secrets: ReturnType<typeof credentialTexts>
  readonly vectors: Vector[]
}

interface Channel {
  readonly id: string
  readonly path: string
  /** Why no such channel can be made; then all its vectors are refused before anything is sent. */
  readonly refused?: 'bad-record' | 'bad-credential'
}

const told = {
  sent: 0,
  accepted: 0,
  refused: 0,
  'refused with the channel': 0,
  'stored past the API': 0,
  skipped: 0,
}

/** Sends all; answers what was done, in numbers. */
async function agree(vectors: readonly Vector[]): Promise<string> {
  const counts = { ...told }
  const carried = vectors.filter((vector) => isCarried(vector))
  counts.skipped = vectors.length - carried.length
  const used: [Channel, readonly string[]][] = []
  for (const group of grouped(carried)) {
    now = group.at * 1_000
    const channel = await channelFor(group, counts)
    const reasons: string[] = []
    for (const vector of group.vectors) reasons.push(...(await agrees(vector, channel, counts)))
    if (channel.refused === undefined) used.push([channel, reasons])
  }
  for (const [channel, reasons] of used) await operatorSees(channel, reasons)
  assert.ok(counts.sent > 0)
  return Object.entries(counts)
    .map(([what, count]) => `${count} ${what}`)
    .join(', ')
}

/**
 * Whether a socket can carry the record as it is, to a gate that has its source's own window. Keys that a record brings
 * along are with the vendor, who is not here: those sources have issuers of their own in `test/issuers/`.
 */
function isCarried(vector: Vector): boolean {
  const { toleranceSeconds: _, ...ours } = vector
  const padded = Object.values(vector.headers).some((value) => value.trim() !== value)
  if ('jwks' in vector || 'certPem' in vector) return false
  return !padded && vector.requiredHeaders === undefined && check(ours, ANY_TIME).verdict === vector.expect
}

function grouped(vectors: readonly Vector[]): readonly Group[] {
  const groups = new Map<string, Group>()
  for (const vector of vectors) {
    const recorded = Recorded.parse(vector)
    const source = sourceOf(recorded)
    assert.ok(source, vector.id)
    const channel = {
      at: vector.now ?? ANY_TIME,
      source: source.name,
      // A boundary: what is no record of settings, the API refuses.
      settings: {
        // Twilio signs the URL it called; a channel says which where the gate has no public URL.
        ...(source.name === 'twilio' && vector.url !== undefined && { url: vector.url.split('?', 1)[0] }),
        ...(settingsOf(recorded, source) as Readonly<Record<string, unknown>>),
      },
      secrets: credentialTexts(recorded, source),
    }
    const name = JSON.stringify(channel)
    const group: Group = groups.get(name) ?? { ...channel, vectors: [] }
    group.vectors.push(vector)
    groups.set(name, group)
  }
  return [...groups.values()].toSorted((a, b) => a.at - b.at)
}

async function channelFor(group: Group, counts: typeof told): Promise<Channel> {
  const { source, settings, secrets } = group
  const asked = { name: newId('chn_', now), source, settings: { ...settings } }
  const made = await changed(() => admin.createChannel(tenant, asked))
  if (made === undefined) return { id: '', path: '', refused: 'bad-record' }
  const last = new Map<string, string>()
  for (const { value, role } of secrets) {
    const previous = last.get(role)
    const credential = await changed(() =>
      previous === undefined
        ? admin.createCredential(tenant, made.id, { value, role })
        : admin.rotateCredential(tenant, made.id, previous, { value, overlapSeconds: 3_600 }),
    )
    if (credential === undefined && !isKey(source, settings, value, role))
      return { ...made, refused: 'bad-credential' }
    if (credential === undefined) counts['stored past the API']++
    last.set(role, credential?.id ?? (await storePast(made.id, value, role)))
  }
  return made
}

/** Undefined when the gate refuses what was asked; waits where it only asks to wait. */
async function changed<T>(change: () => Promise<T>): Promise<T | undefined> {
  for (;;) {
    try {
      return await change()
    } catch (error) {
      if (!(error instanceof ApiRefusal)) throw error
      if (error.problem.code === 'bad-request') return undefined
      if (error.problem.code !== 'too-many') throw error
      await pause((error.retryAfterSeconds ?? 1) * 1_000)
    }
  }
}

function isKey(source: string, settings: unknown, value: string, role: string): boolean {
  const found = sourceNamed(source)
  try {
    found?.key(value, found.settings.parse(settings), role)
    return found !== undefined
  } catch {
    return false
  }
}

/** Secrets of published examples are placeholders, which the API refuses; the listener must prove with them all the same. */
async function storePast(channel: string, value: string, role: string): Promise<string> {
  const { rootKey } = openDataFolder(join(folder, 'data'))
  const keyring = await openKeyring(store, fileRoot(rootKey), () => now)
  const id = newId('crd_', now)
  const sealed = await keyring.seal(
    tenant,
    { table: 'credential', column: 'sealed', row: id, schema: 1 },
    Buffer.from(value),
  )
  await store.write(async (tx) => {
    const row = { id, tenant_id: tenant, channel_id: channel, label: '', role, sealed }
    await tx.db
      .insertInto('credential')
      .values({ ...row, state: 'live', expires_at: null, created_at: now, last_used_at: null })
      .execute()
  })
  return id
}

/** The reason for which it was refused, in a list; empty when it was taken. */
async function agrees(vector: Vector, channel: Channel, counts: typeof told): Promise<string[]> {
  if (channel.refused !== undefined) {
    assert.equal(vector.expect, 'reject', vector.id)
    assert.equal(channel.refused, vector.reason ?? channel.refused, vector.id)
    counts['refused with the channel']++
    return []
  }
  counts.sent++
  const status = await post(channel.path, vector)
  if (vector.expect === 'accept') {
    assert.ok(status >= 200 && status < 300, `${vector.id}: ${status}`)
    counts.accepted++
    return []
  }
  assert.equal(status, 401, vector.id)
  counts.refused++
  return [vector.reason ?? check(vector, ANY_TIME).reason]
}

async function operatorSees(channel: Channel, reasons: readonly string[]): Promise<void> {
  const end = performance.now() + REFUSALS_WITHIN
  let seen: string[] = []
  do {
    const { items = [] } = (await changed(() => admin.listRefusals(tenant, channel.id, { limit: 100 }))) ?? {}
    seen = items.flatMap(({ reason, count }) => Array<string>(count).fill(WORDS[reason] ?? reason))
    if (seen.length >= reasons.length) break
    await pause(50)
  } while (performance.now() < end)
  assert.deepEqual(seen.toSorted(), reasons.toSorted())
}

/** The record's bytes and headers, and nothing that it does not have but a length. */
async function post(path: string, vector: Vector): Promise<number> {
  const query = URL.parse(vector.url ?? '', 'http://vendor.example')?.search ?? ''
  const body = bodyOf(vector)
  const outgoing = request(gate.publicUrl + path + query, {
    method: vector.method ?? 'POST',
    agent: false,
    headers: { ...vector.headers, 'content-length': String(body.length) },
  })
  return await new Promise((resolve, reject) => {
    outgoing.once('error', reject)
    outgoing.once('response', (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    outgoing.end(body)
  })
}

function bodyOf({ body = '', bodyBase64, bodyRepeat }: Vector): Buffer {
  if (bodyBase64 !== undefined) return Buffer.from(bodyBase64, 'base64')
  return Buffer.from(bodyRepeat === undefined ? body : bodyRepeat.text.repeat(bodyRepeat.count))
}

function vectorsIn(file: string): readonly Vector[] {
  // Of the files' shape only the fields named here matter; `check` reads the rest.
  return (JSON.parse(readFileSync(file, 'utf8')) as { vectors: Vector[] }).vectors
}
