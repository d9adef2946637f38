/**
 * Every published request through `check`. In: `test/vectors/*.json`, and the larger set at `$GATEHOUSE_VECTORS` or
 * `../shared/vectors` where there is one. Out: agreement in verdict and reason. Refuses a source with fewer than two
 * accepts or six refusals, or without a page.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { check } from './check.ts'
import { SOURCES } from './sources.ts'

const ROOT = join(import.meta.dirname, '../..')
const LARGER = join(process.env['GATEHOUSE_VECTORS'] ?? join(ROOT, '../shared/vectors'), 'webhooks.json')

interface Vector {
  readonly id: string
  readonly expect: 'accept' | 'reject'
  readonly reason?: string
}

for (const { name, docs } of SOURCES) {
  const vectors = vectorsIn(join(ROOT, 'test/vectors', `${name}.json`))
  test(`${name}: our ${vectors.length} vectors agree in verdict and reason`, () => {
    for (const vector of vectors) agrees(vector)
  })
  test(`${name}: has two accepts and six refusals at least, and a page`, () => {
    const accepts = vectors.filter((vector) => vector.expect === 'accept').length
    assert.ok(accepts >= 2 && vectors.length - accepts >= 6)
    assert.ok(existsSync(join(ROOT, docs)), `${docs} is missing`)
  })
}

test('the larger set agrees for every source we have', (t) => {
  if (!existsSync(LARGER)) return t.skip(`${LARGER} is not there: the larger set was not run`)
  const all = vectorsIn(LARGER)
  const ours = all.filter((vector) => check(vector).reason !== 'unsupported-source')
  for (const vector of ours) agrees(vector)
  t.diagnostic(`${ours.length} of ${all.length} vectors are of sources we have; all agree`)
})

test('check() answers every record, whatever it is', () => {
  const odd = [undefined, null, 1, 'x', [], {}, { id: 1 }, { id: 'a', provider: 'nobody' }]
  assert.ok(odd.every((record) => check(record).verdict === 'reject'))
  assert.deepEqual(check({ id: 7, provider: 'nobody' }), {
    id: '7',
    verdict: 'reject',
    reason: 'unsupported-source',
  })
  assert.deepEqual(check({ id: 'a', provider: 'slack', headers: 3 }), {
    id: 'a',
    verdict: 'reject',
    reason: 'bad-record',
  })
  const twice = { id: 'a', provider: 'slack', headers: { 'X-A': '1', 'x-a': '2' } }
  assert.equal(check(twice).reason, 'bad-record')
  assert.equal(check({ provider: 'slack', bodyRepeat: { text: 'a', count: 2 ** 40 } }).reason, 'bad-record')
  assert.equal(check({ provider: 'slack', bodyBase64: '!' }).reason, 'bad-record')
})

function agrees(vector: Vector): void {
  const { verdict, reason } = check(vector)
  assert.equal(verdict, vector.expect, `${vector.id}: ${reason}`)
  if (vector.reason !== undefined) assert.equal(reason, vector.reason, vector.id)
}

function vectorsIn(file: string): readonly Vector[] {
  // The files hold what `check` reads as unknown; of their shape only these three fields matter here.
  return (JSON.parse(readFileSync(file, 'utf8')) as { vectors: Vector[] }).vectors
}
