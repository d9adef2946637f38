import assert from 'node:assert/strict'
import { test } from 'node:test'
import { together } from './together.ts'

test('answers all results in order', async () => {
  const results = await together(
    async () => 1,
    async () => 'two',
  )
  assert.deepEqual(results, [1, 'two'])
})

test('fails with the first failure, once all have ended, throws at once included', async () => {
  const last = Promise.withResolvers<void>()
  let ended = false
  const work = together(
    () => {
      throw new Error('first')
    },
    async () => Promise.reject(new Error('second')),
    async () => {
      await last.promise
      ended = true
    },
  )
  setImmediate(() => last.resolve())
  await assert.rejects(work, /first/)
  assert.equal(ended, true)
})
