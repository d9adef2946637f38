/**
 * Compiles what a start of the gate loads, so that the image holds it. In: NODE_COMPILE_CACHE. Out: a filled cache, from a
 * gate that was started and stopped once in a temporary folder. Refuses to go on when that gate does not become ready.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Milliseconds; a cold start takes a second or two. */
const PATIENCE = 60_000

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-warm-'))
const listen = ['--public-listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0']
const gate = spawn(
  process.execPath,
  ['cli/main.ts', 'up', '--json', '--data', join(folder, 'data'), ...listen],
  {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: PATIENCE,
  },
)
const [ready] = await Promise.race([once(gate.stdout, 'data'), once(gate, 'exit').then(() => [''])])
gate.kill('SIGTERM')
const [code] = gate.exitCode === null ? await once(gate, 'exit') : [gate.exitCode]
rmSync(folder, { recursive: true, force: true })
if (!String(ready).startsWith('{') || code !== 0) {
  process.stderr.write('warm: the gate did not start and stop as it should\n')
  process.exitCode = 1
}
