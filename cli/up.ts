/**
 * Runs a gate in this process. In: a data folder, addresses, a configuration file. Out: where it listens and, at the
 * first start, the claim code; then nothing until it is told to stop. Refuses what the gate refuses, in its one sentence.
 */
import type { Input } from './command.ts'
import { DEFAULT_ADMIN_URL } from './connect.ts'
import { type RunningGate, startGate } from './door.ts'
import { answer, type Io } from './io.ts'
import { EXIT, type ExitCode } from './trouble.ts'

export async function up(input: Input, io: Io): Promise<ExitCode> {
  // Asked for before the start: a signal that comes during it must not be lost.
  const stopped = asked(io)
  const gate = await startGate({ argv: overridesOf(input), env: io.env, cwd: io.cwd })
  answer(io, input.flag('json') ? readyLine(gate) : welcome(gate))
  await gate.stop(await stopped)
  return EXIT.done
}

/** Options by the name of the setting they override. */
function overridesOf(input: Input): Readonly<Record<string, string>> {
  const given = [
    ['data', input.text('data')],
    ['publicListen', input.text('public-listen')],
    ['adminListen', input.text('admin-listen')],
    ['configFile', input.text('config')],
  ].filter((pair): pair is [string, string] => pair[1] !== undefined)
  return Object.fromEntries(given)
}

function asked(io: Io): Promise<string> {
  return new Promise((resolve) => {
    const quiet = io.onStop((signal) => {
      quiet()
      resolve(signal)
    })
  })
}

function readyLine(gate: RunningGate): string {
  return JSON.stringify({ public: gate.publicUrl, admin: gate.adminUrl, claim: gate.claim ?? null })
}

/** While nobody has claimed the gate it says what to do next; after that, one line. */
function welcome(gate: RunningGate): string {
  const { publicUrl, adminUrl, claim } = gate
  if (claim === undefined) return `gatehouse is up: webhooks at ${publicUrl}/in/…, admin API at ${adminUrl}`
  const url = adminUrl === DEFAULT_ADMIN_URL ? '' : ` --url ${adminUrl}`
  return [
    'gatehouse is up, and waits for its first administrator.',
    '',
    `  webhooks    ${publicUrl}/in/<channel>`,
    `  admin API   ${adminUrl}`,
    `  claim code  ${claim}   (works once, for 15 minutes)`,
    '',
    'Next, in another terminal:',
    '',
    `  npx gatehouse claim ${claim}${url}`,
  ].join('\n')
}
