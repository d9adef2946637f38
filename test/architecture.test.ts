/**
 * Holds the house to its plan: who may import whom, what stays pure, how files are named and introduced. Each rule is also
 * shown to fail on a small tree that breaks it, so that none holds by looking away.
 */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { RULES } from './architecture/rules.ts'
import { ROOT, sourceFile, sourceTree } from './architecture/source-tree.ts'

const tree = sourceTree(['proof', 'contract', 'gateway', 'cli', 'bench', 'test/support', 'test/architecture'])

for (const { name, why, broken } of RULES) {
  test(name, () => {
    const found = broken(tree)
    assert.ok(found.length === 0, `${why}\n  ${found.join('\n  ')}`)
  })
}

test('the tree is really looked at', () => {
  assert.ok(tree.length > 20)
  assert.ok(tree.some(({ imports }) => imports.some(({ target }) => target === 'proof/bytes.ts')))
  const dangling = tree.flatMap(({ path, imports }) =>
    imports
      .filter(({ target }) => target.endsWith('.ts') && !existsSync(`${ROOT}/${target}`))
      .map(({ target }) => `${path} → ${target}`),
  )
  assert.deepEqual(dangling, [], 'every import of ours leads to a file')
})

const HEADER = `/**\n * ${'In: something. Out: something else. Refuses the rest. '.repeat(3)}\n */\n`

/** For each rule, files that break it: path and text. */
const BREAKS: Readonly<Record<string, readonly [string, string][]>> = {
  'proof imports nothing but arithmetic': [
    ['proof/a.ts', "import { readFileSync } from 'node:fs'"],
    ['proof/b.ts', "import { z } from 'zod'"],
    ['proof/c.ts', "import type { Envelope } from '@gatehouse/contract/envelope.ts'"],
  ],
  'contract knows no server': [
    ['contract/a.ts', "import { newId } from '../gateway/store/id.ts'"],
    ['contract/b.ts', "import { createServer } from 'node:http'"],
  ],
  'nobody imports the gateway': [
    ['cli/a.ts', "import { start } from '../gateway/main.ts'"],
    ['cli/demo/b.ts', "const gate = await import('../../gateway/main.ts')"],
    ['contract/c.ts', "export { x } from '../gateway/x.ts'"],
  ],
  'rooms do not import each other': [
    ['gateway/delivery/a.ts', "import { verify } from '../ingress/verify.ts'"],
    ['gateway/ingress/b.ts', "import {\n  type Push,\n  push,\n} from '../delivery/push.ts'"],
    ['gateway/ingress/c.ts', "import '../delivery/push.ts'"],
  ],
  'rooms do not import what stands above them': [
    ['gateway/admin/a.ts', "import { ROUTES } from '../routes.ts'"],
  ],
  'judgement is pure': [
    ['gateway/egress/decide.ts', "import { lookup } from 'node:dns/promises'"],
    ['gateway/ingress/verify.ts', 'const now = Date.now()'],
    ['gateway/ingress/sources/slack.ts', "import { connect, isIP } from 'node:net'"],
    ['gateway/tokens/verify.ts', "import { newId } from '../store/id.ts'"],
    ['gateway/delivery/schedule.ts', 'const jitter = Math.random()'],
  ],
  'files say what they are for': [
    ['gateway/a.ts', 'export const a = 1'],
    ['gateway/b.ts', '/** Short. */'],
  ],
  'names say what a file does': [
    ['gateway/utils.ts', ''],
    ['gateway/helpers/a.ts', ''],
    ['cli/http-service.ts', ''],
  ],
  'the gateway logs declared events only': [['gateway/a.ts', "console.log('x')"]],
  'the gateway reads its environment in one place': [['gateway/a.ts', 'const home = process.env.HOME']],
}

for (const rule of RULES) {
  test(`the rule can fail: ${rule.name}`, () => {
    const samples = BREAKS[rule.name] ?? []
    assert.ok(samples.length > 0, 'a sample that breaks the rule is wanted')
    for (const [path, text] of samples) {
      assert.equal(rule.broken([sourceFile(path, text)]).length, 1, `${path}: ${text}`)
    }
  })
}

test('what is allowed is not refused', () => {
  const fine = [
    sourceFile(
      'proof/a.ts',
      `${HEADER}import { createHash } from 'node:crypto'\nimport { equal } from './bytes.ts'`,
    ),
    sourceFile('cli/door.ts', `${HEADER}import { start } from '../gateway/main.ts'`),
    sourceFile(
      'gateway/delivery/a.ts',
      `${HEADER}import type { Facts } from '../ingress/source.ts'\nimport { newId } from '../store/id.ts'`,
    ),
    sourceFile(
      'gateway/egress/address.ts',
      `${HEADER}// Date.now() is not for here\nimport { isIP } from 'node:net'`,
    ),
    sourceFile('gateway/wire.ts', `${HEADER}import { verify } from './ingress/verify.ts'`),
  ]
  assert.deepEqual(
    RULES.flatMap((rule) => rule.broken(fine)),
    [],
  )
})
