/**
 * The optional Redis. In: its URL. Out: a client that never keeps a request waiting. Refuses commands at once while the
 * server is away, so that the local limiter takes over; says so once, and not again until it has come back.
 */
import type { Redis } from 'ioredis'

/** A limit is asked in the path of a request; an answer later than this is worth less than none. */
const COMMAND_MS = 250
const CONNECT_MS = 1_000
const RETRY_MS = 1_000

export async function openRedis(url: string, unavailable: (error: unknown) => void): Promise<Redis> {
  // Only now: without a URL the client is never loaded.
  const { Redis: Client } = await import('ioredis')
  const client = new Client(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    connectTimeout: CONNECT_MS,
    commandTimeout: COMMAND_MS,
    retryStrategy: () => RETRY_MS,
    lazyConnect: true,
  })
  let isTold = false
  client.on('error', (error) => {
    if (!isTold) unavailable(error)
    isTold = true
  })
  client.on('ready', () => (isTold = false))
  // Away at the start is like away later: limits are local until it comes.
  await client.connect().catch(() => {})
  return client
}
