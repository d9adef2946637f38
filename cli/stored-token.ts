/**
 * The token that `claim` keeps for later commands. In: an admin URL and its token. Out: the token for that URL, from
 * `$XDG_CONFIG_HOME/gatehouse/credentials.json`. Refuses a file that others can read: its tokens may be known.
 */
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { refused } from './trouble.ts'

type Env = Readonly<Record<string, string | undefined>>

/** Its owner alone may read the file and look into the folder. */
const FILE_MODE = 0o600
const FOLDER_MODE = 0o700
const OTHERS = 0o077

export function credentialsPath(env: Env): string {
  const home = env['XDG_CONFIG_HOME'] || join(env['HOME'] || homedir(), '.config')
  return join(home, 'gatehouse', 'credentials.json')
}

export async function storedToken(env: Env, adminUrl: string): Promise<string | undefined> {
  const tokens = await readTokens(credentialsPath(env))
  return Object.hasOwn(tokens, adminUrl) ? tokens[adminUrl] : undefined
}

/** Keeps the token; the file is replaced whole, so that a crash leaves the old one. Answers its path. */
export async function storeToken(env: Env, adminUrl: string, token: string): Promise<string> {
  const path = credentialsPath(env)
  await mkdir(dirname(path), { recursive: true, mode: FOLDER_MODE })
  const tokens = { ...(await readTokens(path)), [adminUrl]: token }
  const draft = `${path}.${process.pid}`
  try {
    const file = await open(draft, 'wx', FILE_MODE)
    try {
      await file.writeFile(`${JSON.stringify(tokens, null, 2)}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(draft, path)
  } catch (cause) {
    await rm(draft, { force: true })
    throw cause
  }
  return path
}

async function readTokens(path: string): Promise<Readonly<Record<string, string>>> {
  const facts = await stat(path).catch(() => undefined)
  if (facts === undefined) return {}
  if ((facts.mode & OTHERS) !== 0) {
    throw refused(`read ${path}: others can read it, wanted 0600`, `run chmod 600 ${path}`)
  }
  const tokens: unknown = parseJson(await readFile(path, 'utf8'))
  if (!isTokens(tokens))
    throw refused(`read ${path}: not what gatehouse writes`, `run gatehouse claim <code> after removing it`)
  return tokens
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isTokens(value: unknown): value is Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return Object.values(value).every((token) => typeof token === 'string')
}
