/**
 * Reads the URL that the gate is asked to call, before any name is looked up. In: the URL as text and what the operator
 * allows. Out: a `Target`, or one sentence that says what is wrong with it. Refuses other schemes than https (http only
 * to loopback, where that is allowed), users and passwords in URLs, port 0, literal addresses that are refused, and
 * names that never stand for the public internet, unless an exception could open them.
 */
import { judge } from './address.ts'
import { type Cidr, parseAddress, range } from './address-text.ts'

/** Longest URL: what every receiver and every log can hold. */
const URL_CAP = 2_048
// oxlint-disable-next-line no-control-regex -- control characters are what it is about
const CONTROL = /[\u0000-\u001f\u007f]/
/** Longest DNS name (RFC 1035 section 2.3.4). */
const NAME_CAP = 253
/** Names that mean this machine or this network (RFC 6761, RFC 6762, and what clouds and containers add). */
const LOCAL_NAMES = ['localhost', 'local', 'localdomain', 'internal']
const LOOPBACK_RANGES: readonly Cidr[] = [range('127.0.0.0/8'), range('::1/128')]

export interface EgressConfig {
  readonly except: readonly Cidr[]
  readonly allowLoopback: boolean
}

/** A place to call whose spelling is beyond doubt. Its addresses are not judged yet. */
export interface Target {
  readonly url: URL
  readonly secure: boolean
  /** Without brackets and without the final dot. */
  readonly host: string
  readonly port: number
  readonly isLiteral: boolean
  /** The name never is public: each of its addresses must be opened by an exception, not merely be public. */
  readonly needsException: boolean
}

export type TargetVerdict =
  | { readonly ok: true; readonly target: Target }
  | { readonly ok: false; readonly problem: string }

/** Whether `text` may be the URL of a push subscription; asked when one is made, and again by the dialler. */
export function pushUrl(text: string, config: EgressConfig): TargetVerdict {
  const read = readTarget(text)
  if (!read.ok) return read
  const { target } = read
  if (!target.secure && !(config.allowLoopback && isLoopbackHost(target))) {
    return no('only https is called; http is for loopback, where the setting pushAllowLoopback allows it')
  }
  if (target.isLiteral && judge(target.host, exceptions(config)).verdict === 'deny') {
    return no('the address is not on the public internet; the setting pushExcept can open a range')
  }
  if (target.needsException && exceptions(config).length === 0) {
    return no('the name is not on the public internet; the setting pushExcept can open the range it is in')
  }
  return read
}

/** The operator's exceptions, with loopback among them where it is allowed. */
export function exceptions(config: EgressConfig): readonly Cidr[] {
  return config.allowLoopback ? [...config.except, ...LOOPBACK_RANGES] : config.except
}

/** The place that an http or https URL names, read as the URL standard reads it. */
export function readTarget(text: string): TargetVerdict {
  if (text.length > URL_CAP) return no(`the URL is longer than ${URL_CAP} characters`)
  // The URL standard drops tabs and newlines in silence, and other programs do not.
  if (CONTROL.test(text)) return no('the URL holds a control character')
  if (!URL.canParse(text)) return no('the URL cannot be read')
  const url = new URL(text)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return no('only https URLs are called')
  if (url.username !== '' || url.password !== '') return no('a URL must not hold a user or a password')
  if (url.port === '0') return no('port 0 cannot be called')
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '')
  const isLiteral = parseAddress(host) !== undefined
  if (!isLiteral && !isName(host)) return no('the host is not a name that DNS can hold')
  const secure = url.protocol === 'https:'
  const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port)
  return {
    ok: true,
    target: { url, secure, host, port, isLiteral, needsException: !isLiteral && isLocal(host) },
  }
}

function isName(host: string): boolean {
  return host.length <= NAME_CAP && host.split('.').every((label) => label.length > 0 && label.length <= 63)
}

/** A single label (which a search list would complete) or a name under one that is local by agreement. */
function isLocal(host: string): boolean {
  return !host.includes('.') || LOCAL_NAMES.some((name) => host === name || host.endsWith(`.${name}`))
}

function isLoopbackHost(target: Target): boolean {
  if (target.isLiteral) return isLoopbackLiteral(target.host)
  return target.host === 'localhost' || target.host.endsWith('.localhost')
}

function isLoopbackLiteral(host: string): boolean {
  const verdict = judge(host, LOOPBACK_RANGES)
  return verdict.verdict === 'allow' && verdict.address.isLoopback
}

function no(problem: string): TargetVerdict {
  return { ok: false, problem }
}
