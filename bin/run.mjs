/**
 * The scripts of package.json. In: `start`, `test`, `ok` … and their arguments. Out: the exit code of what ran, on the pinned
 * Node, after installing what is missing. Refuses a script that is not in the table.
 */
import { globSync } from './glob.mjs'
import { prepare, ROOT, runNode } from './runtime.mjs'
import { availableParallelism } from 'node:os'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What has tests; `bin` is plain JavaScript and tested from `test`. */
const WORKSPACES = ['proof', 'contract', 'gateway', 'cli', 'bench', 'test']
/** Test files at once: two even on one core, since many of them wait for servers. */
const CONCURRENCY = Math.max(2, Math.min(8, availableParallelism()))

const SCRIPTS = {
  start: (args) => runNode(['cli/main.ts', 'up', ...args], HERE),
  test,
  ok,
  bench: (args) => runNode(['bench/main.ts', ...args], HERE),
  prove,
  shape: (args) => runNode(['bin/shape.mjs', ...args], HERE),
  format: (args) => runNode([tool('oxfmt'), ...args], HERE),
  docs,
  pack: (args) => runNode(['bin/pack.mjs', ...args], HERE),
  types: () => runNode([tool('tsc', 'typescript'), '--noEmit'], HERE),
  lint: () => runNode([tool('oxlint'), '--type-aware', '--deny-warnings'], HERE),
  'format-check': () => runNode([tool('oxfmt'), '--check'], HERE),
}

const HERE = { cwd: ROOT }

const [name = '', ...rest] = process.argv.slice(2)
const script = Object.hasOwn(SCRIPTS, name) ? SCRIPTS[name] : undefined
if (script === undefined) {
  process.stderr.write(
    `gatehouse: error: run ${JSON.stringify(name)}: no such script, wanted one of ${Object.keys(SCRIPTS).join(', ')}\n`,
  )
  process.exit(2)
}
await prepare()
process.exitCode = await script(rest)

/** Every `*.test.ts`, or those under the folders and files named; flags go to `node --test`. */
function test(args, env = {}) {
  const flags = args.filter((arg) => arg.startsWith('-'))
  const named = args.filter((arg) => !arg.startsWith('-'))
  const files = (named.length > 0 ? named : WORKSPACES).map((path) =>
    path.endsWith('.ts') ? path : `${path.replace(/\/$/, '')}/**/*.test.ts`,
  )
  const reporter = process.stdout.isTTY || args.length > 0 ? 'spec' : './bin/reporter.mjs'
  const node = [
    '--test',
    '--test-global-setup=test/support/setup.ts',
    `--test-concurrency=${CONCURRENCY}`,
    `--test-reporter=${reporter}`,
    '--test-reporter-destination=stdout',
  ]
  return runNode([...node, ...flags, ...files], { ...HERE, env })
}

/** The single gate before a commit: all steps run, so that one look shows all that is wrong. */
async function ok() {
  const steps = ['types', 'lint', 'format-check', 'shape', 'test']
  const results = []
  for (const step of steps) {
    const begin = performance.now()
    const code = await SCRIPTS[step]([])
    results.push(
      `${code === 0 ? 'ok  ' : 'FAIL'} ${step.padEnd(13)} ${((performance.now() - begin) / 1000).toFixed(1)} s`,
    )
    if (code !== 0) process.exitCode = 1
  }
  process.stderr.write(`${results.join('\n')}\n`)
  return process.exitCode ?? 0
}

/** Longer proofs than a test run has time for, one after the other. */
async function prove(args) {
  let worst = 0
  for (const file of globSync(join(ROOT, 'test/prove'), '.ts')) {
    worst = Math.max(worst, await runNode([file, ...args], HERE))
  }
  return worst
}

/** Pinned files are written anew by the tests that pin them. */
function docs() {
  const pins = WORKSPACES.flatMap((folder) => globSync(join(ROOT, folder), '.test.ts')).filter((file) =>
    readFileSync(file, 'utf8').includes('support/golden.ts'),
  )
  return test(['--test-isolation=none', ...pins], { GATEHOUSE_TEST_WRITE: '1' })
}

/** A tool's JavaScript entry; its link in `.bin` may name another Node. */
function tool(bin, folder = bin) {
  return `node_modules/${folder}/bin/${bin}`
}
