import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Chunks } from './chunks.ts'

test('however a body is cut, its bytes come back in order', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 9_000 }), { maxLength: 12 }), (parts) => {
      const chunks = new Chunks()
      for (const part of parts) chunks.add(Buffer.from(part))
      assert.deepEqual(chunks.joined(), Buffer.concat(parts))
    }),
  )
})

test('small chunks are copied together, not kept one by one', () => {
  const chunks = new Chunks()
  chunks.add(Buffer.from('a'))
  const reused = Buffer.from('b')
  chunks.add(reused)
  reused.write('c')
  chunks.add(reused)
  assert.equal(chunks.joined().toString(), 'abc')
})
