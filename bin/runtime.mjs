/**
 * Runs a file of this repository on the pinned Node. In: the file and its arguments. Out: its exit code, its signals, its
 * streams, as if it had been started directly. Refuses, with a sentence, where neither the pinned Node nor the current
 * one will do.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensureDependencies, runtimePackage } from './dependencies.mjs'
import { insufficient, suffices } from './version.mjs'

export const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Signals that end a gate in an orderly way; it must get them, not we. */
const FORWARDED = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGUSR2']

/**
 * @param {string[]} args for Node: flags, file and the file's own arguments
 * @param {{ cwd?: string, env?: Record<string, string> }} [options]
 * @returns {Promise<number>} the exit code; a signal's end is passed on as that signal
 */
export async function runNode(args, options = {}) {
  const env = {
    ...process.env,
    NODE_COMPILE_CACHE:
      process.env['NODE_COMPILE_CACHE'] ?? join(ROOT, 'node_modules/.cache/gatehouse-compile'),
    ...options.env,
  }
  const { code, signal } = await run(pinnedNode(), args, { cwd: options.cwd ?? process.cwd(), env })
  if (signal !== null) process.kill(process.pid, signal)
  return code ?? 1
}

/** Installs what is missing; ends this process with a sentence when that fails. */
export async function prepare() {
  try {
    await ensureDependencies(ROOT)
  } catch (error) {
    process.stderr.write(`gatehouse: error: ${error.message}\n`)
    process.stderr.write(
      'gatehouse: hint: the npm registry must be reachable once; `npm ci` shows all of it\n',
    )
    process.exit(3)
  }
}

function pinnedNode() {
  const name = runtimePackage()
  const pinned = name === undefined ? undefined : join(ROOT, 'node_modules', name, 'bin/node')
  if (pinned !== undefined && existsSync(pinned)) return pinned
  if (suffices(process.versions.node)) return process.execPath
  process.stderr.write(insufficient(process.versions.node))
  return process.exit(1)
}

/** @returns {Promise<{ code: number | null, signal: string | null }>} */
function run(program, args, options) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { ...options, stdio: 'inherit' })
    const forward = (signal) => {
      // A terminal's Ctrl-C reaches the whole group already; twice would ask the gate to hurry.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
    }
    for (const signal of FORWARDED) process.on(signal, forward)
    child.once('error', (error) => {
      process.stderr.write(`gatehouse: error: run ${program}: ${error.message}\n`)
      resolve({ code: 1, signal: null })
    })
    child.once('exit', (code, signal) => {
      for (const name of FORWARDED) process.off(name, forward)
      resolve({ code, signal })
    })
  })
}
