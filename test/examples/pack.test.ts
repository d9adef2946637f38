/**
 * The published shape of `contract` and `proof`. In: what `npm run pack` builds. Out: the typed client, used from plain
 * JavaScript under `node_modules` against a real gate, and type-checked from outside. Refuses a package that holds
 * sources, tests or anything of the server.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startGate } from '../support/gate.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'gatehouse-pack-')))
const modules = join(folder, 'node_modules')
after(() => rmSync(folder, { recursive: true, force: true }))

function run(program: string, args: readonly string[], cwd = folder) {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8', timeout: 60_000 })
  return { status, text: `${stdout}${stderr}` }
}

before(() => {
  const packed = run(process.execPath, [join(ROOT, 'bin/pack.mjs'), join(folder, 'out')], ROOT)
  assert.equal(packed.status, 0, packed.text)
  for (const name of ['proof', 'contract']) {
    const at = join(modules, '@gatehouse', name)
    mkdirSync(at, { recursive: true })
    const tarball = join(
      folder,
      'out',
      readdirSync(join(folder, 'out')).find((file) => file.startsWith(`gatehouse-${name}-`)) ?? '',
    )
    assert.equal(run('tar', ['-xzf', tarball, '-C', at, '--strip-components=1']).status, 0)
  }
  // As npm would have put it beside them.
  symlinkSync(join(ROOT, 'node_modules/zod'), join(modules, 'zod'))
})

test('the tarballs hold JavaScript, types, a licence and a manifest, and nothing else', () => {
  for (const name of ['proof', 'contract']) {
    const files = readdirSync(join(modules, '@gatehouse', name))
    assert.ok(files.includes(name === 'proof' ? 'webhook.js' : 'client.js'))
    const others = files.filter((file) => !/^[a-z-]+\.(js|d\.ts)$/.test(file)).toSorted()
    assert.deepEqual(others, ['LICENSE', 'package.json'])
    assert.deepEqual(
      files.filter((file) => /test|fixture/.test(file)),
      [],
    )
  }
})

test('the client works from plain JavaScript', async () => {
  const gate = await startGate()
  try {
    const program = `
      import { Client } from '@gatehouse/contract/client'
      import { Envelope } from '@gatehouse/contract/envelope.ts'
      import { signedDigest } from '@gatehouse/proof/webhook'
      const open = new Client({ url: ${JSON.stringify(gate.adminUrl)} })
      const { token } = await open.claim({ code: ${JSON.stringify(gate.claim)} })
      const api = new Client({ url: ${JSON.stringify(gate.adminUrl)}, token })
      const { name } = await api.createTenant({ name: 'acme' })
      console.log(JSON.stringify([name, Envelope.safeParse({}).success, signedDigest(['a']).length]))`
    writeFileSync(join(folder, 'app.mjs'), program)
    const { status, text } = run(process.execPath, ['app.mjs'])
    assert.equal(status, 0, text)
    assert.deepEqual(JSON.parse(text), ['acme', false, 32])
  } finally {
    await gate.stop()
  }
})

test('the types hold from outside: a wrong field does not type-check', () => {
  const check = (line: string) => {
    const text = `import { Client } from '@gatehouse/contract/client'\nconst api = new Client({ url: '' })\n${line}\n`
    writeFileSync(join(folder, 'app.mts'), text)
    const flags = [
      '--ignoreConfig',
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'esnext',
      '--skipLibCheck',
    ]
    return run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), ...flags, 'app.mts'])
  }
  const right = check(`const name: string = (await api.createTenant({ name: 'acme' })).name\nexport { name }`)
  assert.equal(right.status, 0, right.text)
  assert.match(check(`await api.createTenant({ nom: 'acme' })\nexport {}`).text, /TS2561|TS2353|TS2345/)
})
