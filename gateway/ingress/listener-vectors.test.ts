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
import { check, sourceNameOf } from './check.ts'
import { sourceNamed } from './sources.ts'

const ROOT = join(import.meta.dirname, '../..')
const LARGER = join(process.env['GATEHOUSE_VECTORS'] ?? join(ROOT, '../shared/vectors'), 'webhooks.json')
/** Records without a time are of sources that look at none. */
const ANY_TIME = 1_700_000_000
/** Milliseconds: the gate writes refusals each second. */
const REFUSALS_WITHIN = 10_000

interface Vector {
  readonly id: string
  readonly expect: 'accept' | 'reject'
  readonly reason?: string
  readonly secret?: string | readonly string[]
  readonly publicKey?: string | readonly string[]
  readonly method?: string
  readonly url?: string
  readonly headers: Readonly<Record<string, string>>
  readonly requiredHeaders?: readonly string[]
  readonly body?: string
  readonly bodyBase64?: string
  readonly bodyRepeat?: { readonly text: string; readonly count: number }
  readonly now?: number
  readonly toleranceSeconds?: number
  readonly config?: Readonly<Record<string, unknown>>
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
  t.diagnostic(await agree(vectors.filter((vector) => isWebhook(vector))))
})

test('the larger set agrees through the listener', async (t) => {
  if (!existsSync(LARGER)) return t.skip(`${LARGER} is not there: the larger set was not run`)
  const all = vectorsIn(LARGER)
  const ours = all.filter((vector) => check(vector).reason !== 'unsupported-source')
  t.diagnostic(`${ours.length} of ${all.length} are of sources we have: ${await agree(ours)}`)
})
