/**
 * Why one recorded request is refused, and what would make it pass; with no gate and no network. In: a record of
 * `source check` or a raw HTTP request, and the secret. Out: the step that said no and findings. Refuses a file that is
 * neither; never shows the secret, a signature or a header's value.
 */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { buffer } from 'node:stream/consumers'
import type { Command, Input } from './command.ts'
import { recordExplain } from './door.ts'
import { answer, type Io, plain } from './io.ts'
import { rawRequestOf } from './raw-request.ts'
import { readSecret, VALUE_FILE } from './secret.ts'
import { EXIT, refused, usage } from './trouble.ts'
import { settingsOf } from './values.ts'

export interface Explanation {
  readonly source: string | null
  readonly verdict: 'accept' | 'reject'
  readonly step: string | null
  readonly findings: readonly {
    readonly what: string
    readonly weight: 'cause' | 'part' | 'sign'
    readonly evidence: string
    readonly next: string
  }[]
  readonly tried: number
}

export const sourceExplain: Command = {
  name: 'source explain',
  summary: 'Say why a recorded request is refused and what would make it pass',
  takes: [{ name: 'file', optional: true, help: 'a record or raw HTTP request; stdin when - or left out' }],
  options: {
    source: { value: 'name', help: 'whose request it is; else provider in the record' },
    setting: { value: 'key=value', many: true, help: 'settings of the channel' },
    'value-file': VALUE_FILE,
    at: { value: 'time', help: 'when it came: RFC 3339 or Unix seconds' },
    'public-url': { value: 'url', help: 'where the vendor reaches the gate, as the gate is set' },
  },
  example: 'gatehouse source explain request.txt --source slack --value-file secret.txt',
  async run(input, io) {
    const explain = await recordExplain()
    const record = await recordOf(input, io)
    const explanation = explain(record, Date.now() / 1000)
    answer(io, input.flag('json') ? JSON.stringify(explanation) : spoken(explanation))
    return explanation.verdict === 'accept' ? EXIT.done : EXIT.verifiedFalse
  },
}

async function recordOf(input: Input, io: Io): Promise<object> {
  const file = input.at(0) ?? '-'
  if (file === '-' && input.text('value-file') === '-')
    throw usage('the request and the secret cannot both come from stdin')
  const record = { ...parsed(await bytesOf(io, file)), ...given(input) }
  const url = input.text('public-url')
  if (url !== undefined) Object.assign(record, { url: addressOf(url, record) })
  if (input.text('value-file') === undefined && ('secret' in record || 'publicKey' in record)) return record
  return { ...record, secret: await readSecret(io, input.text('value-file'), 'secret') }
}

async function bytesOf(io: Io, file: string): Promise<Buffer> {
  if (file === '-') return await buffer(io.stdin)
  try {
    return await readFile(resolve(io.cwd, file))
  } catch (cause) {
    throw refused(
      `read ${file}: ${cause instanceof Error && 'code' in cause ? String(cause.code) : 'failed'}`,
    )
  }
}

function parsed(bytes: Buffer): object {
  const raw = rawRequestOf(bytes)
  if (raw !== undefined) return raw
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch {
    // Neither; told below.
  }
  throw refused(
    'read the request: it is neither one JSON object nor a raw HTTP request',
    'begin with POST /in/… HTTP/1.1, or see gatehouse help source check for the record',
  )
}

function given(input: Input): object {
  const source = input.text('source')
  const at = input.text('at')
  const settings = settingsOf(input)
  return {
    ...(source !== undefined && { provider: source, scheme: undefined }),
    ...(settings !== undefined && { config: settings }),
    ...(at !== undefined && { now: secondsOf(at) }),
  }
}

function secondsOf(text: string): number {
  const seconds = /^\d{1,12}(\.\d+)?$/.test(text) ? Number(text) : Date.parse(text) / 1000
  if (Number.isNaN(seconds)) throw usage('--at takes an RFC 3339 time or Unix seconds')
  return seconds
}

/** The gate's own address with the path that was called. */
function addressOf(publicUrl: string, record: object): string {
  const called = 'url' in record && typeof record.url === 'string' ? record.url : '/'
  return publicUrl.replace(/\/$/, '') + called.replace(/^[a-z]+:\/\/[^/?#]*/i, '')
}

function spoken({ source, verdict, step, findings, tried }: Explanation): string {
  if (verdict === 'accept') return `${source}: it passes; nothing is wrong with it`
  const lines = findings.flatMap(({ what, weight, evidence, next }) => [
    `  ${weight.padEnd(5)}  ${what}`,
    `         ${plain(evidence)}`,
    `         → ${plain(next)}`,
  ])
  const head = `${source ?? 'record'}: refused at the step ${step}; ${tried} ways tried`
  return [head, ...lines].join('\n')
}
