/**
 * A gate as a process that may refuse to start, for tests of how it ends. In: data folder, environment and perhaps words to
 * run before it (a shell that sets a limit). Out: what it printed and its exit code, or its addresses once it is ready.
 * Refuses nothing; a gate that neither starts nor ends in time is killed, which shows as an exit code of null.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url))
/** Milliseconds; a gate that refuses says so within a second or, where it waits for a server, a few. */
const PATIENCE = 40_000

export interface Asked {
  readonly data: string
  readonly env?: Readonly<Record<string, string>>
  /** Words before the program's own, such as `sh -c … sh`. */
  readonly before?: readonly string[]
}

export interface Run {
  readonly child: ChildProcess
  stdout(): string
  stderr(): string
  /** Resolves to the exit code once it has ended by itself. */
  ended(): Promise<number | null>
  /** The line it prints when it is ready. */
  ready(): Promise<{ readonly public: string; readonly admin: string; readonly claim: string | null }>
}

export function runGate({ data, env = {}, before = [] }: Asked): Run {
  const words = [...before, process.execPath, MAIN, 'up', '--json', '--data', data]
  const [program = '', ...args] = words
  const local = { GATEHOUSE_PUBLIC_LISTEN: '127.0.0.1:0', GATEHOUSE_ADMIN_LISTEN: '127.0.0.1:0' }
  const child = spawn(program, args, {
    env: { PATH: process.env['PATH'], HOME: '/nonexistent', ...local, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const printed = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name].on('data', (chunk: Buffer) => (printed[name] += chunk.toString()))
  const closed = once(child, 'close')
  return {
    child,
    stdout: () => printed.stdout,
    stderr: () => printed.stderr,
    async ended() {
      const late = setTimeout(() => child.kill('SIGKILL'), PATIENCE)
      await closed
      clearTimeout(late)
      return child.exitCode
    },
    async ready() {
      while (!printed.stdout.includes('\n')) {
        const more = await Promise.race([
          once(child.stdout, 'data').then(() => true),
          closed.then(() => false),
        ])
        if (!more) throw new Error(`start a gate: it ended. It printed:\n${printed.stdout}${printed.stderr}`)
      }
      // A boundary: the line that `gatehouse up --json` promises.
      return JSON.parse(printed.stdout) as { public: string; admin: string; claim: string | null }
    },
  }
}
