/**
 * The command line as a person meets it, for tests: a process of its own. In: words, stdin, environment. Out: exit code
 * and both streams. Refuses nothing; none of this process's own GATEHOUSE_ variables is passed on.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url))
/** Milliseconds; one command takes a fraction of a second, on a busy machine a few. */
const PATIENCE = 30_000

export interface Ended {
  readonly exit: number | null
  readonly stdout: string
  readonly stderr: string
}

interface Around {
  readonly stdin?: string
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

export async function gatehouse(words: readonly string[], around: Around = {}): Promise<Ended> {
  const env = { PATH: process.env['PATH'], HOME: '/nonexistent', ...around.env }
  const child = spawn(process.execPath, [MAIN, ...words], { env, cwd: around.cwd, timeout: PATIENCE })
  child.stdin.end(around.stdin ?? '')
  const closed = once(child, 'close')
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  await closed
  return { exit: child.exitCode, stdout, stderr }
}
