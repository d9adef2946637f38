/**
 * THE table of settings: name, form, default, reason. In: each setting as text, from wherever it was set. Out: its value.
 * Refuses, with the form it wants and never with the text itself, what is not in that form; secrets that are only
 * placeholders are refused too.
 */
import { isIP } from 'node:net'
import { z } from 'zod'
import { isPlaceholder } from './placeholder.ts'
import { Secret } from './secrets/sealed.ts'

const KIB = 1024
const MIB = 1024 * KIB

const SIZE = 'bytes, such as 65536, 64KiB or 1MiB'
const LISTEN = 'an address and a port, such as 127.0.0.1:8081 or [::1]:8081; port 0 takes a free one'

/** Where a listener stands. Port 0 asks the system for a free one. */
export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/** `reason`: why one would set it. `secret`: shown as `[sealed]`, also taken from a file. `form`: what it looks like. */
interface About {
  readonly reason: string
  readonly form: string
  readonly secret?: true
}

export const Settings = z.strictObject({
  data: z
    .string()
    .min(1, 'a folder')
    .prefault('./.gatehouse')
    .meta(
      about({
        form: 'a folder',
        reason: 'Holds the root key and, without PostgreSQL, the database. Readable by its owner only.',
      }),
    ),
  databaseUrl: secretUrl(['postgres:', 'postgresql:'])
    .optional()
    .meta(
      about({
        form: 'postgres://user:password@host:port/database',
        reason: 'PostgreSQL instead of the embedded database, for several gates over one store.',
        secret: true,
      }),
    ),
  publicListen: listen()
    .prefault('0.0.0.0:8080')
    .meta(
      about({
        form: LISTEN,
        reason: 'Where vendors deliver webhooks. The only listener meant for the internet.',
      }),
    ),
  adminListen: listen()
    .prefault('127.0.0.1:8081')
    .meta(
      about({ form: LISTEN, reason: 'API, metrics and pull. Keep it on loopback or a private network.' }),
    ),
  publicUrl: plainUrl()
    .optional()
    .meta(
      about({
        form: 'an http or https URL without user, query or fragment',
        reason:
          'How the internet reaches the public listener, when a proxy stands before it; shown in webhook addresses.',
      }),
    ),
  configFile: z
    .string()
    .min(1, 'a file')
    .optional()
    .meta(
      about({
        form: 'a YAML file',
        reason:
          'Settings by their camelCase names. Without it, ./gatehouse.yaml is read when it exists. The environment wins.',
      }),
    ),
  logLevel: z
    .enum(['debug', 'info', 'warn', 'error'], { error: 'debug, info, warn or error' })
    .prefault('info')
    .meta(
      about({ form: 'debug, info, warn or error', reason: 'The least serious log event that is written.' }),
    ),
  bodyCap: size(KIB, 64 * MIB)
    .prefault('1MiB')
    .meta(about({ form: SIZE, reason: 'Largest webhook body taken; a source may take less, never more.' })),
  inFlightCap: size(MIB, 16 * KIB * MIB)
    .prefault('64MiB')
    .meta(
      about({
        form: SIZE,
        reason: 'Bytes of bodies held at once; beyond it new ones get 503, so that memory stays bounded.',
      }),
    ),
  attachmentCap: size(KIB, 256 * MIB)
    .prefault('25MiB')
    .meta(
      about({
        form: SIZE,
        reason:
          'Largest file that is fetched from a vendor when an app opens an attachment; four are at once at most.',
      }),
    ),
  slowBodyFloor: size(1, MIB)
    .prefault('1KiB')
    .meta(
      about({
        form: SIZE,
        reason: 'Bytes a body must bring every 10 seconds; slower senders only hold a place.',
      }),
    ),
  replayDays: whole(1, 365, 'days')
    .prefault('7')
    .meta(
      about({
        form: 'days, 1 to 365',
        reason: 'How long a delivery is remembered, so that it is taken once. A source may need longer.',
      }),
    ),
  drainSeconds: whole(0, 600, 'seconds')
    .prefault('10')
    .meta(
      about({
        form: 'seconds, 0 to 600',
        reason: 'How long SIGTERM waits for what is in flight. Less than the supervisor waits.',
      }),
    ),
  pushAllowLoopback: yesNo()
    .prefault('false')
    .meta(
      about({
        form: 'true or false',
        reason: 'Lets push go to this machine over plain http: for development.',
      }),
    ),
  pushExcept: cidrs()
    .prefault('')
    .meta(
      about({
        form: 'networks, such as 10.0.0.0/8,fd00::/8',
        reason:
          'Private networks that push may reach all the same. Everything not public is refused otherwise.',
      }),
    ),
  redisUrl: secretUrl(['redis:', 'rediss:'])
    .optional()
    .meta(
      about({
        form: 'redis://user:password@host:port',
        reason: 'Makes rate limits exact across several gates. Without it each gate counts for itself.',
        secret: true,
      }),
    ),
  otlpUrl: plainUrl()
    .optional()
    .meta(
      about({
        form: 'an http or https URL without user, query or fragment',
        reason: 'OpenTelemetry collector (OTLP over HTTP) that traces go to. Without it none are made.',
      }),
    ),
  ingressRate: whole(0, 1_000_000, 'requests a second')
    .prefault('5000')
    .meta(
      about({
        form: 'requests a second, 0 for no limit',
        reason: 'Most requests a second that one channel takes before 429.',
      }),
    ),
  tenantRate: whole(0, 1_000_000, 'requests a second')
    .prefault('20000')
    .meta(
      about({
        form: 'requests a second, 0 for no limit',
        reason: 'Most requests a second that all channels of one tenant take together before 429.',
      }),
    ),
})

export type SettingValues = z.output<typeof Settings>
export type SettingName = keyof SettingValues

// A boundary: Object.keys forgets which keys there are.
export const SETTING_NAMES = Object.keys(Settings.shape) as readonly SettingName[]

/** What is known of a setting without its value. */
export interface SettingFacts extends About {
  readonly name: SettingName
  /** `GATEHOUSE_BODY_CAP` for `bodyCap`. */
  readonly env: string
  readonly default: string | undefined
}

export function factsOf(name: SettingName): SettingFacts {
  const field = Settings.shape[name]
  // A boundary: `about` wrote it, above, and the registry of Zod keeps it without its type.
  const known = field.meta() as unknown as About
  const given = field instanceof z.ZodPrefault ? field.def.defaultValue : undefined
  return {
    ...known,
    name,
    env: environmentName(name),
    default: typeof given === 'string' ? given : undefined,
  }
}

export function environmentName(name: string): string {
  return `GATEHOUSE_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
}

/** A value as one would write it. */
export function written(value: SettingValues[SettingName]): string | undefined {
  if (value === undefined || value instanceof Secret) return undefined
  if (typeof value === 'object') return 'host' in value ? writtenListen(value) : value.join(',')
  return String(value)
}

function writtenListen({ host, port }: ListenAddress): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
}

function about(facts: About): Record<string, unknown> {
  return { ...facts }
}

function size(least: number, most: number): z.ZodType<number, string> {
  return z.string().transform((text, context) => {
    const [, digits, unit] = /^(\d{1,15})(KiB|MiB)?$/.exec(text) ?? []
    const bytes = Number(digits) * (unit === 'MiB' ? MIB : unit === 'KiB' ? KIB : 1)
    if (bytes >= least && bytes <= most) return bytes
    return refuse(context, `${SIZE}, from ${least} to ${most}`)
  })
}

function whole(least: number, most: number, unit: string): z.ZodType<number, string> {
  return z.string().transform((text, context) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
    return value >= least && value <= most
      ? value
      : refuse(context, `${unit}, a whole number from ${least} to ${most}`)
  })
}

function yesNo(): z.ZodType<boolean, string> {
  return z.enum(['true', 'false'], { error: 'true or false' }).transform((text) => text === 'true')
}

function listen(): z.ZodType<ListenAddress, string> {
  return z.string().transform((text, context) => {
    const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text) ?? []
    const host = bracketed ?? plain ?? ''
    const port = Number(digits)
    const known = bracketed === undefined ? host !== '' : isIP(host) === 6
    return known && port <= 65_535 ? { host, port } : refuse(context, LISTEN)
  })
}

function cidrs(): z.ZodType<readonly string[], string> {
  return z.string().transform((text, context) => {
    const networks = text.split(',').map((part) => part.trim())
    const given = networks.filter((network) => network !== '')
    return given.every(isNetwork)
      ? given
      : refuse(context, 'networks separated by commas, such as 10.0.0.0/8,fd00::/8')
  })
}

function isNetwork(text: string): boolean {
  const [, address = '', prefix = ''] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? []
  const family = isIP(address)
  return family !== 0 && Number(prefix) <= (family === 4 ? 32 : 128)
}

/** No user, query or fragment: this one is shown and logged, so nothing secret may hide in it. */
function plainUrl(): z.ZodType<string, string> {
  return z.string().transform((text, context) => {
    const url = URL.parse(text)
    const web = url !== null && (url.protocol === 'http:' || url.protocol === 'https:')
    const plain = web && url.username === '' && url.password === '' && url.search === '' && url.hash === ''
    return plain
      ? url.href.replace(/\/$/, '')
      : refuse(context, 'an http or https URL without user, query or fragment')
  })
}

function secretUrl(schemes: readonly string[]): z.ZodType<Secret, string> {
  return z.string().transform((text, context) => {
    const url = URL.parse(text)
    if (url === null || !schemes.includes(url.protocol)) {
      return refuse(context, `a URL that starts with ${schemes.map((scheme) => `${scheme}//`).join(' or ')}`)
    }
    if (isPlaceholder(url.password)) return refuse(context, 'a real password; what is there is a placeholder')
    return Secret.of(text)
  })
}

function refuse(context: z.RefinementCtx, wanted: string): never {
  context.addIssue({ code: 'custom', message: wanted })
  return z.NEVER
}
