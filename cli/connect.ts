/**
 * The way to a running gate. In: `--url`, the environment, the stored token. Out: a client of the admin API for one
 * command's run, its failures turned into exit codes with what to do. Refuses an address that is no http URL.
 */
import type { ApiRefusal, Client } from '@gatehouse/contract/client.ts'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Command, Input } from './command.ts'
import { type Io, remark } from './io.ts'
import { storedToken } from './stored-token.ts'
import { EXIT, type ExitCode, refused, Trouble, usage } from './trouble.ts'

export const DEFAULT_ADMIN_URL = 'http://127.0.0.1:8081'

/** Hosts to which plain http does not leave the machine. */
const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '[::1]', 'localhost'])

export type Online = (api: Client, input: Input, io: Io) => Promise<ExitCode>

/** A command's `run` that speaks to a gate with the caller's token. */
export function online(run: Online): Command['run'] {
  return (input, io) => speaking(async () => run(await signedIn(input, io), input, io))
}

/** Loaded by the commands that need it: schemas are a tenth of a second of starting. */
const client = () => import('@gatehouse/contract/client.ts')

/** Runs `body`; what the gate or the network refused becomes a sentence and an exit code. */
export async function speaking(body: () => Promise<ExitCode>): Promise<ExitCode> {
  try {
    return await body()
  } catch (cause) {
    throw await troubleOf(cause)
  }
}

/** Without user, path or a closing slash, so that one gate has one name in the file of tokens. */
export function adminUrlOf(input: Input, io: Io): string {
  const given = input.text('url') ?? (io.env['GATEHOUSE_URL'] || DEFAULT_ADMIN_URL)
  const url = URL.parse(given)
  if (
    url === null ||
    !['http:', 'https:'].includes(url.protocol) ||
    url.username !== '' ||
    url.password !== ''
  ) {
    throw usage('read the admin address: not an http or https URL', `such as ${DEFAULT_ADMIN_URL}`)
  }
  return url.origin
}

async function signedIn(input: Input, io: Io): Promise<Client> {
  const url = adminUrlOf(input, io)
  const token = await tokenFor(url, io)
  const { protocol, hostname } = new URL(url)
  if (token !== undefined && protocol === 'http:' && !LOOPBACK.has(hostname)) {
    remark(
      io,
      'warning',
      `the token travels to ${hostname} unencrypted; put TLS in front of the admin listener`,
    )
  }
  const { Client } = await client()
  return new Client(token === undefined ? { url } : { url, token })
}

async function tokenFor(url: string, io: Io): Promise<string | undefined> {
  const { GATEHOUSE_TOKEN: token, GATEHOUSE_TOKEN_FILE: file } = io.env
  if (token && file) throw usage('GATEHOUSE_TOKEN and GATEHOUSE_TOKEN_FILE are both set', 'keep one of them')
  if (token) return token
  if (!file) return storedToken(io.env, url)
  try {
    return (await readFile(resolve(io.cwd, file), 'utf8')).trim()
  } catch {
    throw refused('read GATEHOUSE_TOKEN_FILE: there is no such readable file')
  }
}

async function troubleOf(cause: unknown): Promise<unknown> {
  const { ApiRefusal, Unreachable } = await client()
  if (cause instanceof Unreachable) {
    return new Trouble(EXIT.unreachable, cause.message, 'run npm start first, or give --url')
  }
  if (!(cause instanceof ApiRefusal)) return cause
  const { problem, retryAfterSeconds } = cause
  const faults = (problem.errors ?? []).map(({ path, message }) => `${path}: ${message}`)
  const sentence = [cause.message, ...faults].join('; ')
  return refused(sentence, hintFor(problem, retryAfterSeconds))
}

function hintFor({ code, requestId }: ApiRefusal['problem'], wait: number | undefined): string | undefined {
  if (code === 'internal' && requestId !== undefined) return `look for ${requestId} in the gate's log`
  if (code === 'unauthenticated') return 'run gatehouse claim <code> first, or set GATEHOUSE_TOKEN_FILE'
  if (code === 'forbidden') return 'gatehouse whoami shows what this token may do'
  return wait === undefined ? undefined : `try again in ${wait} s`
}
