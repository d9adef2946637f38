/**
 * The guide to adding a source, done as it says. In: the blocks of `docs/guide/add-a-source.md`. Out: a program with that
 * source: its vectors agree, a gate has it on its list, takes what the vendor sends and hands it on. Refuses a guide whose
 * steps do not work, and a proof that would pass without them.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { blocksOf } from './support/guide-blocks.ts'
import { openHouse, openLine, send, startApp, until } from './support/ingress.ts'

const ROOT = join(import.meta.dirname, '..')
const ADDED = { NODE_OPTIONS: `--import ${pathToFileURL(join(ROOT, 'test/support/added-source.ts')).href}` }
/** Milliseconds for one command. */
const PATIENCE = 30_000
const SECRET = 'a secret typed into a form, known to all'

const blocks = blocksOf('docs/guide/add-a-source.md')

interface Vector {
  readonly id: string
  readonly expect: 'accept' | 'reject'
  readonly reason?: string
}

function vectors(): readonly Vector[] {
  // A boundary: the block is a file of vectors, of which these fields matter here.
  return (JSON.parse(blocks.get('test/vectors/typeform.json') ?? '{}') as { vectors: Vector[] }).vectors
}

/** The verdicts of `gatehouse source check` on the guide's vectors. */
function verdicts(env: Readonly<Record<string, string>>): readonly { verdict: string; reason: string }[] {
  const input = vectors().map((vector) => JSON.stringify(vector))
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [join(ROOT, 'cli/main.ts'), 'source', 'check', '--jsonl'],
    {
      input: input.join('\n'),
      env: { PATH: process.env['PATH'], ...env },
      timeout: PATIENCE,
      encoding: 'utf8',
    },
  )
  const lines = stdout.split('\n').filter((line) => line !== '')
  assert.equal(lines.length, input.length, stderr)
  return lines.map((line) => JSON.parse(line) as { verdict: string; reason: string })
}

test('the guide brings a file, lines, vectors and a page, of a source that is not there', () => {
  const paths = [
    'gateway/ingress/sources/typeform.ts',
    'docs/guide/sources/typeform.md',
    'test/vectors/typeform.json',
  ]
  for (const path of paths) {
    assert.ok(blocks.has(path), path)
    assert.equal(
      existsSync(join(ROOT, path)),
      false,
      `${path} is there already: the guide needs another vendor`,
    )
  }
  const accepts = vectors().filter(({ expect }) => expect === 'accept').length
  assert.ok(accepts >= 2 && vectors().length - accepts >= 6)
  const page = blocks.get('docs/guide/sources/typeform.md') ?? ''
  for (const heading of ['Set up', 'What the signature covers', 'Which workspace', 'Answers', 'Limits'])
    assert.match(page, new RegExp(`^## ${heading}$`, 'm'))
})

test('its vectors agree once it is added, and are of no source before', () => {
  for (const [i, { verdict, reason }] of verdicts(ADDED).entries()) {
    const vector = vectors()[i]
    assert.deepEqual([verdict, reason], [vector?.expect, vector?.reason ?? 'proved'], vector?.id ?? '')
  }
  assert.ok(verdicts({}).every(({ reason }) => reason === 'unsupported-source'))
})

test('a gate with it takes a form’s answer and hands it on', async () => {
  // Which store it stands on makes no difference to a source.
  const house = await openHouse({ engine: 'sqlite', file: '' }, { env: ADDED })
  const app = await startApp()
  try {
    const { admin, tenant, gate } = house
    const { items } = await admin.listSources()
    assert.ok(items.some(({ name }) => name === 'typeform'))
    const line = await openLine(house, 'typeform', SECRET)
    await admin.createSubscription(tenant, { name: 'bot', mode: 'push', url: app.url, channels: [line.id] })
    const body = '{"event_id":"e1","event_type":"form_response","form_response":{"form_id":"f1"}}'
    const signature = `sha256=${createHmac('sha256', SECRET).update(body).digest('base64')}`
    const headers = { 'content-type': 'application/json', 'typeform-signature': signature }
    const url = gate.publicUrl + line.path
    assert.equal((await send(url, { headers, body: body.replace('f1', 'f2') })).status, 401)
    assert.equal((await send(url, { headers, body })).status, 200)
    const got = await until('the app has it', () => app.got[0]?.body)
    const { source, kind, event, deliveryId, conversation } = JSON.parse(got) as Record<string, unknown>
    assert.deepEqual(
      { source, kind, event, deliveryId, conversation },
      {
        source: 'typeform',
        kind: 'form',
        event: 'form_response',
        deliveryId: 'e1',
        conversation: { id: 'f1' },
      },
    )
  } finally {
    await app.close()
    await house.close()
  }
})
