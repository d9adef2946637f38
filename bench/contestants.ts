/**
 * The servers that are measured, each in a process of its own on 127.0.0.1. In: the secret all are given, and a database for
 * the gate on PostgreSQL. Out: where each is asked, which processes work for it, and the way to stop it. Refuses, by
 * throwing with what it printed, a server that does not start.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { Client } from '@gatehouse/contract/client.ts'
import { type Gate, startGate } from '../test/support/gate.ts'
import type { BenchDatabase } from './database.ts'
import { PATH_LENGTH } from './deliveries.ts'
import { sessionsOf } from './process-use.ts'

/** Peers look at no path; Express wants the shape. */
const ANY_PATH = `/in/chn_${'0'.repeat(26)}`

export interface Contestant {
  /** The letter it goes by in the table. */
  readonly letter: string
  readonly title: string
  readonly port: number
  readonly path: string
  readonly pid: number
  /** Processes of the database that work for it; none for the others. */
  readonly helpers: () => number[]
  /** How many deliveries are in its store; undefined for those that have none. */
  readonly stored: () => Promise<number | undefined>
  readonly stop: () => Promise<void>
}

export interface Common {
  readonly secret: string
  readonly workspace: string
  /** Whether an app subscribes to the channel, which adds the work of queueing for it. */
  readonly subscribed: boolean
}

export async function peer(
  letter: string,
  title: string,
  file: string,
  { secret }: Common,
): Promise<Contestant> {
  const script = fileURLToPath(new URL(`peers/${file}`, import.meta.url))
  const child = spawn(process.execPath, [script], {
    env: { ...process.env, BENCH_SECRET: secret, NODE_ENV: 'production' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const port = await portOf(child, title)
  return {
    letter,
    title,
    port,
    path: ANY_PATH,
    pid: child.pid ?? 0,
    helpers: () => [],
    stored: () => Promise.resolve(undefined),
    async stop() {
      const gone = once(child, 'exit')
      child.kill('SIGTERM')
      await gone
    },
  }
}

async function portOf(child: ChildProcess, title: string): Promise<number> {
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout?.once('data', (chunk: Buffer) => resolve(chunk.toString()))
    child.once('exit', () => reject(new Error(`start ${title}: it ended before it listened`)))
  })
  return (JSON.parse(line) as { port: number }).port
}

/** A gate as an operator would run it, but for the limit on deliveries a second: the load is one channel's. */
export async function gate(
  letter: string,
  title: string,
  common: Common,
  database: BenchDatabase | undefined,
  env: Readonly<Record<string, string>> = {},
): Promise<Contestant> {
  const started = await startGate({
    env: {
      GATEHOUSE_INGRESS_RATE: '0',
      ...(database !== undefined && { GATEHOUSE_DATABASE_URL: database.url }),
      ...env,
    },
  })
  try {
    const path = await channelOn(started, common)
    return {
      letter,
      title,
      port: Number(new URL(started.publicUrl).port),
      path,
      pid: started.pid,
      helpers: () => (database === undefined ? [] : sessionsOf(database.name)),
      stored: () => (database === undefined ? rowsIn(started.data) : database.rows('inbox')),
      stop: async () => void (await started.stop()),
    }
  } catch (error) {
    await started.stop()
    throw error
  }
}

async function channelOn(started: Gate, { secret, workspace, subscribed }: Common): Promise<string> {
  const url = started.adminUrl
  const { token } = await new Client({ url }).claim({ code: started.claim ?? '' })
  const client = new Client({ url, token })
  const tenant = await client.createTenant({ name: 'bench' })
  const wanted = { name: 'bench', source: 'pumble', workspaces: [workspace] }
  const channel = await client.createChannel(tenant.id, wanted)
  await client.createCredential(tenant.id, channel.id, { value: secret })
  if (subscribed)
    await client.createSubscription(tenant.id, { name: 'bench', mode: 'pull', channels: [channel.id] })
  const path = `/in/${channel.id}`
  if (path.length !== PATH_LENGTH)
    throw new Error(`make a channel: its path ${path} is not ${PATH_LENGTH} long`)
  return path
}

/** Looks into the file itself: what a gate says of itself is no proof. */
function rowsIn(folder: string): Promise<number> {
  const file = new DatabaseSync(join(folder, 'gatehouse.db'), { readOnly: true })
  try {
    return Promise.resolve(Number(file.prepare('SELECT count(*) AS n FROM inbox').get()?.['n']))
  } finally {
    file.close()
  }
}
