/**
 * Says what is wrong with a gate before it says so itself. In: settings of this place, and a running gate when there is
 * one. Out: a line for each check, with what to do. Refuses nothing; one error makes the exit code 1.
 */
import type { Command, Input } from './command.ts'
import { adminUrlOf } from './connect.ts'
import { examination, type Symptom } from './door.ts'
import { answer, type Io, plain } from './io.ts'
import { EXIT } from './trouble.ts'

/** Milliseconds for a gate or its proxy to answer. */
const PATIENCE = 5_000
/** Milliseconds: `Date` has whole seconds. */
const DATE_STEP = 1_000
/** A channel that is not there; the id is well-formed, so a gate looks for it and says no in its own words. */
const NO_CHANNEL = '/in/chn_00000000000000000000000000'

export const doctor: Command = {
  name: 'doctor',
  summary: 'Look over settings, folder, ports, store, clocks, addresses',
  options: {
    data: { value: 'folder', help: 'data folder, as for up' },
    'public-listen': { value: 'host:port', help: 'as for up' },
    'admin-listen': { value: 'host:port', help: 'as for up' },
    config: { value: 'file', help: 'YAML file with settings, as for up' },
  },
  online: true,
  example: 'gatehouse doctor --data ./data',
  async run(input, io) {
    const { examine, clockSymptom } = await examination()
    const { symptoms, publicUrl } = await examine({ argv: argvOf(input), env: io.env, cwd: io.cwd })
    const served = [
      ...(await adminChecks(adminUrlOf(input, io), clockSymptom)),
      ...(publicUrl === undefined ? [] : await publicChecks(publicUrl, clockSymptom)),
    ]
    print(input, io, [...symptoms, ...served])
    return [...symptoms, ...served].some(({ state }) => state === 'error') ? EXIT.refused : EXIT.done
  },
}

type Clock = (check: string, skew: number, whose: string) => Symptom

function argvOf(input: Input): Readonly<Record<string, string>> {
  const given = [
    ['data', input.text('data')],
    ['publicListen', input.text('public-listen')],
    ['adminListen', input.text('admin-listen')],
    ['configFile', input.text('config')],
  ].filter((pair): pair is [string, string] => pair[1] !== undefined)
  return Object.fromEntries(given)
}

/** The gate that runs, when one does. */
async function adminChecks(url: string, clock: Clock): Promise<readonly Symptom[]> {
  const got = await ask(`${url}/readyz`)
  if ('failed' in got)
    return [
      { check: 'admin', state: 'ok', detail: `no gate answers at ${url}: only what needs none was checked` },
    ]
  const isReady = got.status === 200 && got.text.includes('"ready":true')
  const state = isReady
    ? ({ check: 'admin', state: 'ok', detail: `a gate at ${url} is ready` } as const)
    : ({
        check: 'admin',
        state: 'error',
        detail: `${url}/readyz answers ${got.status}`,
        hint: 'see the log of the gate',
      } as const)
  return [state, ...clockOf('gate-clock', got, `the clock of the gate at ${url}`, clock)]
}

/** What vendors meet: TLS, a proxy, and behind it a gate that sees the path as it was called. */
async function publicChecks(publicUrl: string, clock: Clock): Promise<readonly Symptom[]> {
  const got = await ask(publicUrl + NO_CHANNEL)
  const wrong = (detail: string, hint: string): readonly Symptom[] => [
    { check: 'public-url', state: 'error', detail: `${publicUrl}: ${detail}`, hint },
  ]
  if ('failed' in got)
    return wrong(got.failed, 'from here it cannot be reached; check DNS, certificate and proxy')
  if (got.status >= 300 && got.status < 400)
    return wrong('it redirects', 'vendors do not follow: set GATEHOUSE_PUBLIC_URL to where it leads')
  const isGate = got.requestId !== null && got.text.includes('"code":"no-such-channel"')
  if (!isGate) {
    const hint =
      'let the proxy pass /in/… to the public listener, path unchanged; a path in GATEHOUSE_PUBLIC_URL must be taken away by it'
    return wrong(`no gate answers there (status ${got.status})`, hint)
  }
  const detail = `a gate answers at ${publicUrl}; whether it is over this store is not seen from outside`
  return [
    { check: 'public-url', state: 'ok', detail },
    ...clockOf('proxy-clock', got, `the clock at ${publicUrl}`, clock),
  ]
}

interface Got {
  readonly status: number
  readonly text: string
  readonly requestId: string | null
  /** Milliseconds that the other clock is ahead. */
  readonly skew: number | undefined
}

async function ask(url: string): Promise<Got | { readonly failed: string }> {
  const began = Date.now()
  try {
    const got = await fetch(url, {
      // A delivery without a body: the gate looks for the channel, finds none and keeps nothing.
      ...(url.endsWith(NO_CHANNEL) && { method: 'POST', body: '' }),
      redirect: 'manual',
      signal: AbortSignal.timeout(PATIENCE),
    })
    const text = (await got.text()).slice(0, 4_000)
    const date = Date.parse(got.headers.get('date') ?? '')
    const skew = date + DATE_STEP / 2 - (began + Date.now()) / 2
    return {
      status: got.status,
      text,
      requestId: got.headers.get('gatehouse-request-id'),
      skew: Number.isNaN(skew) ? undefined : skew,
    }
  } catch (cause) {
    return { failed: reasonOf(cause) }
  }
}

/** The innermost code, such as ECONNREFUSED or CERT_HAS_EXPIRED. */
function reasonOf(cause: unknown): string {
  const inner = cause instanceof Error ? (cause.cause ?? cause) : cause
  if (inner instanceof Error && 'code' in inner && typeof inner.code === 'string') return inner.code
  return inner instanceof Error && inner.name === 'TimeoutError' ? 'no answer in time' : 'no answer'
}

function clockOf(check: string, { skew }: Got, whose: string, clock: Clock): readonly Symptom[] {
  return skew === undefined ? [] : [clock(check, skew, whose)]
}

function print(input: Input, io: Io, symptoms: readonly Symptom[]): void {
  if (input.flag('json')) return answer(io, JSON.stringify({ items: symptoms }))
  const width = Math.max(...symptoms.map(({ check }) => check.length))
  const lines = symptoms.flatMap(({ check, state, detail, hint }) => [
    `${state.padEnd(7)}  ${check.padEnd(width)}  ${plain(detail)}`,
    ...(hint === undefined ? [] : [`${''.padEnd(7)}  ${''.padEnd(width)}  → ${plain(hint)}`]),
  ])
  answer(io, lines.join('\n'))
}
