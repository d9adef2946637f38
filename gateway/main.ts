/**
 * Starts one gate in this process and ends it without loss. In: overrides, environment and folder. Out: where it listens,
 * the claim code while nobody has claimed it, and `stop`. Refuses to start with `StartRefused`: a code and a sentence
 * that says what to do.
 */
import '../bin/guard.mjs'
import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import type { Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { append } from './audit/append.ts'
import { type Config, ConfigProblems, loadConfig } from './config.ts'
import { type DataFolder, openDataFolder } from './data-folder.ts'
import { createLog, type Log } from './observe/log.ts'
import { createMetrics } from './observe/metrics.ts'
import { createTracer } from './observe/trace.ts'
import { openKeyring } from './secrets/keyring.ts'
import { fileRoot } from './secrets/roots/file.ts'
import type { ListenAddress } from './settings.ts'
import { StartRefused } from './start-refused.ts'
import { openStore } from './store/open.ts'
import type { Store } from './store/store.ts'
import { isClaimed, makeClaimCode } from './tokens/claim.ts'
import { wire, type Wired } from './wire.ts'

export interface StartOptions {
  /** Settings by camelCase name; they win over environment and file. */
  readonly argv: Readonly<Record<string, string>>
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** Unix milliseconds; the system's unless a test stands in another time. */
  readonly clock?: () => number
}

export interface Gate {
  readonly publicUrl: string
  readonly adminUrl: string
  /** Shown once: good for fifteen minutes and one use. Undefined once the gate has been claimed. */
  readonly claim: string | undefined
  /** Stops accepting, finishes what is in flight, closes. Safe to call twice. */
  stop(signal?: string): Promise<void>
}

const { version } = createRequire(import.meta.url)('../package.json') as { version: string }

export async function start(options: StartOptions): Promise<Gate> {
  const clock = options.clock ?? Date.now
  const began = clock()
  const config = loadConfig(options)
  if (config instanceof ConfigProblems) throw new StartRefused('settings', config.toString())
  const folder = openDataFolder(config.data)
  const log = createLog({ level: config.logLevel })
  const store = await openStore(storeOptions(config, folder), clock)
  try {
    return await startOver({ store, folder, config, log, clock, began })
  } catch (error) {
    await store.close()
    throw error
  }
}

interface Opened {
  readonly store: Store
  readonly folder: DataFolder
  readonly config: Config
  readonly log: Log
  readonly clock: () => number
  readonly began: number
}

async function startOver({ store, folder, config, log, clock, began }: Opened): Promise<Gate> {
  const keyring = await openKeyring(store, fileRoot(folder.rootKey), clock)
  const tracer = await createTracer({ otlpUrl: config.otlpUrl, version })
  const wired = await wire({ config, store, keyring, log, metrics: createMetrics(version), tracer, clock })
  try {
    const publicUrl = await listen(wired.publicServer, config.publicListen, 'publicListen')
    const adminUrl = await listen(wired.adminServer, config.adminListen, 'adminListen')
    const claim = await claimCode(store, log, clock())
    log.emit('gate.ready', {
      version,
      engine: store.engine,
      public: publicUrl,
      admin: adminUrl,
      startMs: clock() - began,
    })
    let stopped: Promise<void> | undefined
    const stop = (signal = 'stop') =>
      (stopped ??= stopGate(wired, config, log, clock, signal).then(async () => {
        await tracer.close()
        await store.close()
      }))
    return { publicUrl, adminUrl, claim, stop }
  } catch (error) {
    wired.publicServer.close()
    wired.adminServer.close()
    await wired.close(0)
    throw error
  }
}

/** Stop accepting, finish what is in flight, write what is held. What is not done by the limit is cut off. */
async function stopGate(
  wired: Wired,
  config: Config,
  log: Log,
  clock: () => number,
  signal: string,
): Promise<void> {
  const began = clock()
  const drainMs = config.drainSeconds * 1_000
  log.emit('gate.stopping', { signal, inFlight: wired.inFlight() })
  wired.stopping.abort()
  const servers = [wired.publicServer, wired.adminServer]
  await Promise.all(servers.map((server) => drained(server, drainMs)))
  await wired.close(Math.max(0, drainMs - (clock() - began)))
  log.emit('gate.stopped', { drainMs: clock() - began })
}

function drained(server: Server, drainMs: number): Promise<void> {
  // A connection that is kept alive under steady traffic is never idle: each answer from now on ends its own.
  server.prependListener('request', (_, response: ServerResponse) =>
    response.setHeader('connection', 'close'),
  )
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), drainMs)
    server.close(() => {
      clearTimeout(cut)
      resolve()
    })
    server.closeIdleConnections()
  })
}

function storeOptions(config: Config, folder: DataFolder) {
  return config.databaseUrl === undefined
    ? ({ engine: 'sqlite', file: folder.databaseFile } as const)
    : ({ engine: 'postgres', url: config.databaseUrl.reveal() } as const)
}

/** A fresh code at each start until somebody has claimed the gate; the last one is void then. */
async function claimCode(store: Store, log: Log, now: number): Promise<string | undefined> {
  if (await isClaimed(store.read)) return undefined
  const code = await store.write(async (tx) => {
    const made = await makeClaimCode(tx, randomBytes, now)
    await append(
      tx,
      {
        action: 'gate.claim-code-made',
        tenant: '',
        actor: 'gate',
        target: 'gate',
        outcome: 'allowed',
        requestId: '',
      },
      now,
    )
    return made
  })
  log.emit('gate.claim-code-made', {})
  return code
}

async function listen(server: Server, { host, port }: ListenAddress, setting: string): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenRefused(error, host, port, setting)))
    server.listen({ host, port }, resolve)
  })
  // A boundary: a TCP server that listens has a port.
  const bound = (server.address() as AddressInfo).port
  return `http://${shownHost(host)}:${bound}`
}

/** An address that means "all" is shown as the one that works from here. */
function shownHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}

function listenRefused(
  error: NodeJS.ErrnoException,
  host: string,
  port: number,
  setting: string,
): StartRefused {
  const where = `listen on ${host}:${port}`
  const env = setting === 'publicListen' ? 'GATEHOUSE_PUBLIC_LISTEN' : 'GATEHOUSE_ADMIN_LISTEN'
  switch (error.code) {
    case 'EADDRINUSE':
      return new StartRefused('port-in-use', `${where}: the port is in use; stop what uses it or set ${env}`)
    case 'EACCES':
      return new StartRefused(
        'port-forbidden',
        `${where}: this user may not; set ${env} to a port above 1023`,
      )
    case undefined:
    default:
      return new StartRefused(
        'listen-failed',
        `${where}: ${error.code ?? 'it failed'}; set ${env} to an address of this machine`,
      )
  }
}
