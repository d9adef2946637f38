/**
 * How soon a gate is ready. In: how many starts. Out: milliseconds from starting the process to its ready line, started
 * directly and through `npm start`'s script. Refuses, by throwing with what it printed, a gate that does not get ready.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const LISTEN = ['--public-listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--json']

/** A way to start, as the words after `node`. */
const WAYS = [
  { title: 'node cli/main.ts up', words: ['cli/main.ts', 'up'] },
  { title: 'npm start (bin/run.mjs)', words: ['bin/run.mjs', 'start'] },
] as const

export interface Readiness {
  readonly title: string
  /** The start that makes the data folder, keys and tables. */
  readonly first: number
  readonly later: readonly number[]
}

export async function ready(starts: number): Promise<Readiness[]> {
  const results: Readiness[] = []
  for (const { title, words } of WAYS) {
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'))
    const once = () => readyAfter([...words, '--data', join(folder, 'data'), ...LISTEN])
    try {
      const first = await once()
      const later: number[] = []
      for (let i = 0; i < starts; i++) later.push(await once())
      results.push({ title, first, later })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
  return results
}

async function readyAfter(words: readonly string[]): Promise<number> {
  const began = performance.now()
  const child = spawn(process.execPath, words, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })
  let printed = ''
  child.stderr.on('data', (chunk: Buffer) => (printed += chunk.toString()))
  const gone = once(child, 'exit')
  try {
    await new Promise<void>((resolve, reject) => {
      child.stdout.on('data', (chunk: Buffer) => {
        if (chunk.toString().includes('"public"')) resolve()
      })
      child.once('exit', () => reject(new Error(`start a gate: it ended. It printed:\n${printed}`)))
    })
    return performance.now() - began
  } finally {
    child.kill('SIGTERM')
    await gone
  }
}
