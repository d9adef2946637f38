/**
 * A Redis or Valkey for one test. In: `GATEHOUSE_TEST_REDIS_URL`, else a server on 127.0.0.1:6379, else one started
 * here from `redis-server` or `valkey-server` on the path. Out: its URL and a key prefix that is this test's own.
 * Refuses with `Absent` when there is none: a skip, or a failure where `GATEHOUSE_REQUIRE` names redis.
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createConnection } from 'node:net'
import { freePort } from './free-port.ts'
import { Absent, announce, reasonToSkip } from './presence.ts'

const LOCAL = 'redis://127.0.0.1:6379'
/** Milliseconds a server may take to answer PING. */
const PING_TIMEOUT = 1_000
/** Milliseconds a server of our own may take to start. */
const START_TIMEOUT = 10_000
/** Ends the server when our end of the pipe closes, however this process ends. */
const SUPERVISOR =
  '"$1" --port "$2" --bind 127.0.0.1 --save "" --appendonly no & p=$!; cat >/dev/null; kill $p; wait $p'

export interface TestRedis {
  readonly url: string
  readonly prefix: string
}

/** One server serves the whole process. */
let server: Promise<string> | undefined

export async function testRedis(): Promise<TestRedis> {
  server ??= findServer()
  return { url: await server, prefix: `gatehouse-test-${randomBytes(6).toString('hex')}:` }
}

/** As `testRedis`, but skips the test with the reason when there is none and the run does not require it. */
export async function redisOrSkip(t: { skip(reason: string): void }): Promise<TestRedis | undefined> {
  try {
    return await testRedis()
  } catch (error) {
    t.skip(reasonToSkip('redis', error))
    return undefined
  }
}

async function findServer(): Promise<string> {
  const given = process.env['GATEHOUSE_TEST_REDIS_URL']
  if (given !== undefined && given !== '') {
    if (!(await answers(given))) throw new Absent('connect to GATEHOUSE_TEST_REDIS_URL: no answer to PING')
    announce('redis', 'at GATEHOUSE_TEST_REDIS_URL')
    return given
  }
  if (await answers(LOCAL)) {
    announce('redis', 'at 127.0.0.1:6379')
    return LOCAL
  }
  for (const program of ['redis-server', 'valkey-server']) {
    const started = await start(program)
    if (started === undefined) continue
    announce('redis', `started from ${program}`)
    return started
  }
  throw new Absent(
    'find Redis: nothing at 127.0.0.1:6379 and no redis-server on the path, wanted either or GATEHOUSE_TEST_REDIS_URL',
  )
}

async function start(program: string): Promise<string | undefined> {
  const port = await freePort()
  const child = spawn(
    'sh',
    ['-c', `command -v "$1" >/dev/null || exit 127; ${SUPERVISOR}`, 'redis', program, String(port)],
    {
      stdio: ['pipe', 'ignore', 'ignore'],
    },
  )
  child.unref()
  // A boundary: a child's pipe is a socket, which the types do not say.
  const pipe = child.stdin as unknown as { unref?: () => void }
  pipe.unref?.()
  const url = `redis://127.0.0.1:${port}`
  const end = Date.now() + START_TIMEOUT
  while (Date.now() < end) {
    if (await answers(url)) return url
    if (child.exitCode !== null) return undefined
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  child.stdin.end()
  return undefined
}

/** Whether a server there answers PING; a server that wants a password answers too, and counts. */
function answers(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve) => {
    const socket = createConnection({ host: hostname, port: Number(port === '' ? 6379 : port) })
    const settle = (answer: boolean): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(PING_TIMEOUT, () => settle(false))
    socket.once('error', () => settle(false))
    socket.once('connect', () => socket.write('PING\r\n'))
    socket.once('data', (chunk: Buffer) =>
      settle(chunk.toString().startsWith('+PONG') || chunk.toString().startsWith('-NOAUTH')),
    )
  })
}
