/**
 * Sends signed sample events at a channel of a running gate, as its vendor would. In: a source, a channel, its secret. Out:
 * a line for each event with what the gate answered. Refuses a channel of another source; a genuine event that is not
 * taken, or a forged one that is, ends in exit code 1.
 */
import type { Client } from '@gatehouse/contract/client.ts'
import type { Command, Input } from './command.ts'
import { online } from './connect.ts'
import { simulation } from './door.ts'
import { answer, type Io, remark } from './io.ts'
import { channelIdOf, tenantOf } from './resolve.ts'
import { readSecret, VALUE_FILE } from './secret.ts'
import { EXIT, type ExitCode, refused, Trouble, usage } from './trouble.ts'
import { numberOf } from './values.ts'

/** Milliseconds; vendors wait 3 to 30 seconds. */
const PATIENCE = 15_000
/** More is a load test, and `npm run bench` is for that. */
const COUNT_CAP = 1_000
/** Where the public listener of a gate on this machine stands unless it is set otherwise. */
const DEFAULT_PUBLIC_URL = 'http://127.0.0.1:8080'

type Channel = Awaited<ReturnType<Client['readChannel']>>

export const sourceSimulate: Command = {
  name: 'source simulate',
  summary: 'Send signed sample events at a channel, as its vendor would',
  takes: [{ name: 'source', help: 'which vendor to be; the channel must be of it' }],
  options: {
    channel: { value: 'channel', needed: true, help: 'id or name' },
    event: { value: 'event', help: 'which sample; the first one when left out' },
    'value-file': VALUE_FILE,
    count: { value: 'number', help: 'how many, each a new one; 1 when left out' },
    forge: { help: 'sign with another key: the gate must refuse it' },
    to: { value: 'url', help: 'public address of the gate, when it was told none' },
  },
  online: true,
  tenanted: true,
  example: 'gatehouse source simulate slack --channel support --value-file secret.txt',
  run: online(async (api, input, io) => {
    const count = numberOf(input, 'count') ?? 1
    if (count < 1 || count > COUNT_CAP) throw usage(`--count takes 1 to ${COUNT_CAP}`)
    const tenant = await tenantOf(api, input)
    const channel = await api.readChannel(tenant, await channelIdOf(api, tenant, input.need('channel')))
    const source = input.needAt(0)
    if (channel.source !== source)
      throw refused(`simulate ${source}: the channel ${channel.name} is of the source ${channel.source}`)
    const make = await maker(input, io, channel)
    const results: boolean[] = []
    for (let n = 1; n <= count; n++) results.push(await sendOne(input, io, n, make()))
    return exitOf(io, channel, results)
  }),
}

interface Sample {
  readonly event: string
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** Makes one sample after the other. */
async function maker(input: Input, io: Io, channel: Channel): Promise<() => Sample> {
  const { simulate, sampleNames } = await simulation()
  if (sampleNames(channel.source, channel.settings).length === 0)
    throw refused(
      `simulate ${channel.source}: only its vendor has the key that signs`,
      'use a request of the vendor’s own',
    )
  const wanted = {
    source: channel.source,
    event: input.text('event'),
    settings: channel.settings,
    secret: await readSecret(io, input.text('value-file'), `secret of ${channel.name}`),
    url: addressOf(input, io, channel),
    workspace: channel.workspaces?.[0],
    forge: input.flag('forge'),
  }
  return () => {
    try {
      return simulate({ ...wanted, now: Date.now() })
    } catch (cause) {
      // Says what is wrong with event, settings or secret, and never shows the latter.
      if (cause instanceof RangeError) throw refused(cause.message)
      throw cause
    }
  }
}

function addressOf(input: Input, io: Io, { url, path }: Channel): string {
  const to = input.text('to')
  if (to === undefined && url !== undefined) return url
  if (to === undefined)
    remark(io, 'hint', `the gate was told no public address; sending to ${DEFAULT_PUBLIC_URL}`)
  const base = URL.parse(to ?? DEFAULT_PUBLIC_URL)
  if (base === null || !['http:', 'https:'].includes(base.protocol))
    throw usage('--to takes an http or https URL')
  return base.href.replace(/\/$/, '') + path
}

/** Whether the gate did with it what it should. */
async function sendOne(input: Input, io: Io, n: number, sample: Sample): Promise<boolean> {
  const began = performance.now()
  const got = await reach(sample)
  const ms = Math.round(performance.now() - began)
  const requestId = got.headers.get('gatehouse-request-id')
  const { status } = got
  await got.body?.cancel()
  const line = { n, event: sample.event, status, ms, requestId }
  answer(
    io,
    input.flag('json')
      ? JSON.stringify(line)
      : `${n}  ${sample.event}  ${status}  ${ms} ms  ${requestId ?? '-'}`,
  )
  return input.flag('forge') ? status === 401 || status === 403 : got.ok
}

async function reach({ url, method, headers, body }: Sample): Promise<Response> {
  try {
    return await fetch(url, {
      method,
      headers,
      redirect: 'manual',
      signal: AbortSignal.timeout(PATIENCE),
      ...(method !== 'GET' && { body: new Uint8Array(body) }),
    })
  } catch {
    throw new Trouble(
      EXIT.unreachable,
      `reach ${new URL(url).origin}: no answer`,
      'give the public address with --to',
    )
  }
}

function exitOf(io: Io, channel: Channel, results: readonly boolean[]): ExitCode {
  const wrong = results.filter((result) => !result).length
  if (wrong === 0) return EXIT.done
  remark(io, 'error', `${wrong} of ${results.length} were not answered as they should be`)
  remark(io, 'hint', `see gatehouse refusal list --channel ${channel.name}`)
  return EXIT.refused
}
