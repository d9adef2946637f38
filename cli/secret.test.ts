import assert from 'node:assert/strict'
import { PassThrough, Writable } from 'node:stream'
import { test } from 'node:test'
import { type Io, plain } from './io.ts'
import { readSecret } from './secret.ts'

interface Terminal extends Io {
  readonly keys: PassThrough
  readonly raw: boolean[]
  readonly screen: () => string
}

function terminal(): Terminal {
  const raw: boolean[] = []
  const keys = new PassThrough()
  let seen = ''
  const stderr = new Writable({
    write(chunk: Buffer, _encoding, done) {
      seen += chunk.toString()
      done()
    },
  })
  const stdin = Object.assign(keys, { isTTY: true, setRawMode: (on: boolean) => raw.push(on) })
  const screen = () => seen
  return {
    stdin,
    stdout: new PassThrough(),
    stderr,
    env: {},
    cwd: '/',
    onStop: () => () => {},
    keys,
    raw,
    screen,
  }
}

test('a secret typed at a terminal is read to Enter, corrected by backspace, and never echoed', async () => {
  const io = terminal()
  const secret = readSecret(io, undefined, 'secret')
  io.keys.write('hunter3')
  io.keys.write('\u007f2\r')
  assert.equal(await secret, 'hunter2')
  assert.deepEqual(io.raw, [true, false])
  assert.equal(io.screen(), 'secret: \n')
})

test('Ctrl-C ends the asking and gives the terminal back', async () => {
  const io = terminal()
  const secret = readSecret(io, undefined, 'secret')
  io.keys.write('hunt\u0003')
  await assert.rejects(secret, /interrupted/)
  assert.deepEqual(io.raw, [true, false])
})

test('stdin gives up one closing line break and nothing else', async () => {
  const io = terminal()
  const secret = readSecret(io, '-', 'secret')
  io.keys.end('  spaces stay \n\n')
  assert.equal(await secret, '  spaces stay \n')
})

test('an empty secret and an endless one are refused', async () => {
  const empty = terminal()
  empty.keys.end('\n')
  await assert.rejects(readSecret(empty, '-', 'secret'), /it is empty/)
  const endless = terminal()
  endless.keys.end(Buffer.alloc(70_000, 'a'))
  await assert.rejects(readSecret(endless, '-', 'secret'), /at most 65536/)
})

test('plain() shows control characters instead of letting a terminal obey them', () => {
  assert.equal(plain('a\u001b[2Jb\nc\u202ed'), String.raw`a\x1b[2Jb\x0ac\u202ed`)
  assert.equal(plain('Здраво 👋'), 'Здраво 👋')
})
