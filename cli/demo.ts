/**
 * Shows what the gate does, on this machine, in seconds. In: nothing. Out: a table of deliveries sent over real sockets
 * and what became of each, then the audit log. Leaves nothing behind, and answers 1 when anything went otherwise than
 * it must.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Input } from './command.ts'
import { startApp } from './demo/app.ts'
import { play } from './demo/play.ts'
import { printStory, type Story } from './demo/story.ts'
import { startGate } from './door.ts'
import { answer, type Io } from './io.ts'
import { EXIT, type ExitCode, refused } from './trouble.ts'

export async function demo(input: Input, io: Io): Promise<ExitCode> {
  const begin = performance.now()
  const story = await interruptible(io, tell)
  const seconds = Math.round((performance.now() - begin) / 100) / 10
  answer(io, input.flag('json') ? JSON.stringify({ ...story, seconds }) : printStory(story, seconds))
  return story.asExpected ? EXIT.done : EXIT.refused
}

type Undo = () => Promise<unknown>

/** What was begun is undone in reverse order, whatever happens; so each undoing is noted before its doing is awaited. */
async function tell(undo: Undo[]): Promise<Story> {
  const folder = mkdtemp(join(tmpdir(), 'gatehouse-demo-'))
  undo.push(async () => rm(await folder, { recursive: true, force: true }))
  const app = startApp()
  undo.push(async () => (await app).close())
  const gate = startGate({
    argv: {
      data: join(await folder, 'data'),
      publicListen: '127.0.0.1:0',
      adminListen: '127.0.0.1:0',
      pushAllowLoopback: 'true',
      logLevel: 'error',
    },
    // Not this shell's settings: the demo must never open somebody's real database.
    env: {},
    cwd: await folder,
  })
  undo.push(async () => (await gate).stop())
  return play(await gate, await app)
}

async function interruptible(io: Io, body: (undo: Undo[]) => Promise<Story>): Promise<Story> {
  const undo: Undo[] = []
  const stopped = Promise.withResolvers<never>()
  const quiet = io.onStop(() => stopped.reject(refused('run the demo: interrupted')))
  try {
    return await Promise.race([body(undo), stopped.promise])
  } finally {
    // A step whose doing failed has nothing to undo; the failure itself is on its way out already.
    for (let step = undo.pop(); step !== undefined; step = undo.pop()) await step().catch(() => {})
    quiet()
  }
}
