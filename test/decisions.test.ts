/**
 * Every dependency says what it saves us. In: all `package.json` files and the record of dependencies. Refuses a dependency
 * without a line, a line without a dependency, and a version that is not exact.
 */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ROOT } from './architecture/source-tree.ts'

type Versions = Readonly<Record<string, string>>
const KINDS = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'] as const

function dependencies(): [string, string][] {
  const files = globSync('{,*/}package.json', { cwd: ROOT })
  assert.ok(files.length > 5)
  return files.flatMap((file) => {
    // A boundary: npm's own format.
    const manifest = JSON.parse(readFileSync(`${ROOT}/${file}`, 'utf8')) as Partial<
      Record<(typeof KINDS)[number], Versions>
    >
    return KINDS.flatMap((kind) => Object.entries(manifest[kind] ?? {}))
  })
}

const theirs = dependencies().filter(([name]) => !name.startsWith('@gatehouse/'))

test('each dependency has its line in the record, and each line its dependency', () => {
  const record = readFileSync(`${ROOT}/docs/decisions/0003-dependencies.md`, 'utf8')
  const lines = [...record.matchAll(/^- `([^`]+)`: /gm)].map(([, name]) => String(name))
  assert.deepEqual(lines.toSorted(), [...new Set(theirs.map(([name]) => name))].toSorted())
})

test('each dependency is pinned exactly', () => {
  const loose = theirs.filter(([, version]) => !/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version))
  assert.deepEqual(loose, [])
})
