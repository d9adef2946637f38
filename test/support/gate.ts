/**
 * A real gate in a process of its own, for black-box tests. In: settings as environment and arguments. Out: its two
 * addresses, its claim code, what it printed, and ways to stop or kill it. Refuses, with all it printed, when the gate
 * does not say that it is ready.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Milliseconds; ready takes well under a second on a quiet machine. */
const READY_TIMEOUT = 30_000
/** Milliseconds from SIGTERM to the end: the gate's own drain of 10 s and some. */
const STOP_TIMEOUT = 20_000

const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url))

export interface GateOptions {
  /** Kept after stop when given; otherwise a folder of the gate's own, removed. */
  readonly data?: string
  /** Settings by environment name; nothing of this process's GATEHOUSE_ variables is passed on. */
  readonly env?: Readonly<Record<string, string>>
  readonly args?: readonly string[]
}

export interface Gate {
  /** Base URLs without a slash at the end. */
  readonly publicUrl: string
  readonly adminUrl: string
  /** Only at the first start over a data folder or database. */
  readonly claim: string | undefined
  readonly data: string
  readonly pid: number
  /** All it wrote to stderr so far: its log, a JSON object a line. */
  log(): string
  /** SIGTERM; resolves to the exit code. */
  stop(): Promise<number | null>
  /** SIGKILL, as a crash does. The data folder stays when it was given. */
  kill(): Promise<void>
}

export async function startGate(options: GateOptions = {}): Promise<Gate> {
  const data = options.data ?? join(mkdtempSync(join(tmpdir(), 'gatehouse-gate-')), 'data')
  const child = spawn(process.execPath, [MAIN, 'up', '--json', '--data', data, ...(options.args ?? [])], {
    env: { ...inherited(), ...LOCAL_PORTS, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()))
  const ready = await readyLine(child, () => log)
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    const code = await ended(child, signal)
    if (options.data === undefined) rmSync(join(data, '..'), { recursive: true, force: true })
    return code
  }
  return {
    publicUrl: asUrl(ready.public),
    adminUrl: asUrl(ready.admin),
    claim: ready.claim ?? undefined,
    data,
    pid: child.pid ?? 0,
    log: () => log,
    stop: () => end('SIGTERM'),
    kill: async () => void (await end('SIGKILL')),
  }
}

const LOCAL_PORTS = { GATEHOUSE_PUBLIC_LISTEN: '127.0.0.1:0', GATEHOUSE_ADMIN_LISTEN: '127.0.0.1:0' }

function inherited(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('GATEHOUSE_')))
}

interface Ready {
  readonly public: string
  readonly admin: string
  readonly claim: string | null
}

async function readyLine(child: ChildProcess, log: () => string): Promise<Ready> {
  let printed = ''
  const line = await new Promise<string>((resolve, reject) => {
    const fail = (why: string): void => {
      child.kill('SIGKILL')
      reject(new Error(`start a gate: ${why}, wanted a ready line. It printed:\n${printed}${log()}`))
    }
    const timer = setTimeout(() => fail(`not ready after ${READY_TIMEOUT} ms`), READY_TIMEOUT)
    child.once('close', (code) => fail(`it ended with code ${String(code)}`))
    child.stdout?.on('data', (chunk: Buffer) => {
      printed += chunk.toString()
      const found = printed.split('\n').find((text) => text.startsWith('{"public"'))
      if (found === undefined || !printed.includes('\n')) return
      clearTimeout(timer)
      child.removeAllListeners('close')
      resolve(found)
    })
  })
  // A boundary: the line that `gatehouse up --json` promises.
  return JSON.parse(line) as Ready
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  const gone = once(child, 'close')
  child.kill(signal)
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT)
  await gone
  clearTimeout(timer)
  return child.exitCode
}

function asUrl(address: string): string {
  return (address.includes('://') ? address : `http://${address}`).replace(/\/$/, '')
}
