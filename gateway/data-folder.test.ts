/**
 * The data folder: made closed, the same key for two gates that start at once, and each refusal with what to do.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { openDataFolder } from './data-folder.ts'
import { StartRefused } from './start-refused.ts'

function place(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-data-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'deep', 'data')
}

function sentence(path: string): string {
  try {
    openDataFolder(path)
  } catch (error) {
    assert.ok(error instanceof StartRefused, String(error))
    assert.match(error.message, /^open the data folder: .*, wanted /)
    return error.message
  }
  return assert.fail('it opened')
}

test('the first start makes folder and key for their owner alone; later ones read the same key', (t) => {
  const path = place(t)
  const first = openDataFolder(path)
  assert.equal(statSync(path).mode & 0o777, 0o700)
  assert.equal(statSync(join(path, 'root.key')).mode & 0o777, 0o600)
  assert.equal(first.rootKey.symmetricKeySize, 32)
  assert.equal(first.databaseFile, join(path, 'gatehouse.db'))
  assert.deepEqual(readdirSync(path), ['root.key'])
  const second = openDataFolder(path)
  assert.ok(first.rootKey.equals(second.rootKey))
  assert.deepEqual([first.fresh, second.fresh], [true, false])
})

test('a wide umask changes nothing', (t) => {
  const path = place(t)
  const before = process.umask(0)
  t.after(() => process.umask(before))
  openDataFolder(path)
  assert.equal(statSync(path).mode & 0o777, 0o700)
  assert.equal(statSync(join(path, 'root.key')).mode & 0o777, 0o600)
})

test('processes that start at once end with one key', async (t) => {
  const path = place(t)
  const code = `import { openDataFolder } from ${JSON.stringify(join(import.meta.dirname, 'data-folder.ts'))}
    const { rootKey, fresh } = openDataFolder(process.argv[1])
    console.log(rootKey.export().toString('hex'), fresh)`
  const runs = Array.from({ length: 6 }, () =>
    promisify(execFile)(process.execPath, ['--input-type=module-typescript', '-e', code, path]),
  )
  const answers = (await Promise.all(runs)).map(({ stdout }) => stdout.trim().split(' '))
  assert.equal(new Set(answers.map(([key]) => key)).size, 1)
  assert.equal(answers.filter(([, fresh]) => fresh === 'true').length, 1)
  assert.deepEqual(readdirSync(path), ['root.key'])
})

test('a folder or key that others may read is refused, with the command that closes it', (t) => {
  const path = place(t)
  openDataFolder(path)
  chmodSync(join(path, 'root.key'), 0o640)
  assert.match(sentence(path), /root\.key is open to others \(mode 0640\), wanted 0600: chmod 600 /)
  chmodSync(join(path, 'root.key'), 0o600)
  chmodSync(path, 0o750)
  assert.match(sentence(path), /mode 0750\), wanted 0700: chmod 700 /)
})

test('a key that is none is refused and left alone', (t) => {
  const path = place(t)
  openDataFolder(path)
  for (const text of [
    '',
    'not base64!',
    Buffer.alloc(31).toString('base64'),
    `${Buffer.alloc(32).toString('base64')} ${'x'.repeat(99)}`,
  ]) {
    writeFileSync(join(path, 'root.key'), text)
    assert.match(sentence(path), /holds no root key, wanted 32 bytes in base64: restore/)
  }
})

test('what is no folder of its own is refused', (t) => {
  const path = place(t)
  openDataFolder(path)
  writeFileSync(join(path, 'file'), '')
  assert.match(sentence(join(path, 'file')), /is not a folder, wanted one/)
  symlinkSync(path, `${path}-link`)
  assert.match(sentence(`${path}-link`), /is a link, wanted the folder itself/)
  assert.match(sentence(join(path, 'file', 'below')), /cannot be used \(E\w+\), wanted/)
  rmSync(join(path, 'root.key'))
  mkdirSync(join(path, 'root.key'))
  assert.match(sentence(path), /root\.key/)
  rmSync(join(path, 'root.key'), { recursive: true })
  symlinkSync('/etc/hostname', join(path, 'root.key'))
  assert.match(sentence(path), /root\.key cannot be used \(ELOOP\)/)
})

test(
  'a folder of another user is refused',
  { skip: process.getuid?.() !== 0 && 'only root can give a folder away' },
  (t) => {
    const path = place(t)
    openDataFolder(path)
    chownSync(path, 65_534, 65_534)
    assert.match(sentence(path), /belongs to user 65534, wanted the one who runs the gate \(0\): chown 0 /)
  },
)

test(
  'a folder that cannot be written is refused',
  { skip: process.getuid?.() === 0 && 'root writes everywhere' },
  (t) => {
    const path = place(t)
    mkdirSync(path, { recursive: true })
    chmodSync(path, 0o500)
    assert.match(sentence(path), /cannot be used \(EACCES\), wanted a folder that can be written/)
  },
)
