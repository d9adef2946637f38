/**
 * Runs the behaviour scripts of `test/scripts/`: sessions at a terminal that a person can read. In: `*.txt` files. Out:
 * a test each, failing with the file and line. Refuses a verb it does not know.
 */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { expand, readScript, type Script, type Step } from './scripts/script.ts'
import { VERBS } from './scripts/verbs.ts'
import type { World } from './scripts/world.ts'

const FOLDER = join(import.meta.dirname, 'scripts')
/** Verbs that look at the last answer, and change nothing; `!` before one means that it must not be so. */
const LOOKS: ReadonlySet<string> = new Set(['stdout', 'stderr', 'exit', 'keep'])
/** Verbs that set the last answer; `!` before one means that it must be refused. */
const ACTS: ReadonlySet<string> = new Set(['gatehouse', 'slack', 'again'])

for (const name of (await readdir(FOLDER)).filter((file) => file.endsWith('.txt')).sort()) {
  test(`script ${name}`, async () => run(name, readScript(await readFile(join(FOLDER, name), 'utf8'))))
}

async function run(name: string, script: Script): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-script-'))
  const world: World = { folder, names: new Map(), got: [], last: { exit: 0, stdout: '', stderr: '' } }
  try {
    for (const [file, text] of script.files) await writeFile(join(folder, file), text, { mode: 0o600 })
    for (const step of script.steps) await act(name, step, world)
  } finally {
    await world.gate?.kill()
    world.app?.close().closeAllConnections()
    await rm(folder, { recursive: true, force: true })
  }
}

async function act(name: string, step: Step, world: World): Promise<void> {
  const [verb = '', ...words] = step.words
  try {
    const go = VERBS[verb]
    assert.ok(go, `there is no verb ${verb}`)
    const done = go(
      world,
      words.map((word) => expand(word, world.names)),
    )
    if (LOOKS.has(verb)) return await (step.mustFail ? assert.rejects(done) : done)
    await done
    if (ACTS.has(verb)) assert.equal(world.last.exit !== 0, step.mustFail, `exit code ${world.last.exit}`)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'something was thrown'
    const said = `stdout: ${world.last.stdout}\nstderr: ${world.last.stderr}`
    throw new Error(`${name}:${step.line}: ${step.source}\n${why}\n${said}\n${world.gate?.log() ?? ''}`, {
      cause,
    })
  }
}
