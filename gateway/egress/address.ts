/**
 * Decides whether the gate may connect to an IP address. In: an address as text and the operator's exceptions. Out: a
 * verdict; an allowed one carries a `JudgedAddress`, which only this file can make and the dialler demands. Refuses all
 * that is not public unicast, and what cannot be read in one way only; exceptions open ranges, but never metadata
 * services, multicast, broadcast or addresses that carry another one.
 */
import {
  type AddressBytes,
  type Cidr,
  contains,
  parseAddress,
  sameAddress,
  unmapped,
} from './address-text.ts'
import {
  EMBEDDINGS,
  FLOOR,
  GLOBAL_IPV6,
  LOOPBACK,
  NAT64,
  SPECIAL,
  type SpecialRange,
} from './address-ranges.ts'

export type AddressRule =
  | 'global'
  | 'excepted'
  | 'not-an-address'
  | 'never-allowed'
  | 'carries-other-address'
  | 'special-purpose'
  | 'outside-global-unicast'
  | 'decider-failed'

export type Verdict =
  | {
      readonly verdict: 'allow'
      readonly rule: 'global' | 'excepted'
      readonly reason: string
      readonly address: JudgedAddress
    }
  | {
      readonly verdict: 'deny'
      readonly rule: Exclude<AddressRule, 'global' | 'excepted'>
      readonly reason: string
    }

/** An address that was judged and allowed. The private constructor keeps look-alikes out. */
class Judged {
  /** What to connect to: dotted decimal for IPv4, mapped or not. */
  readonly text: string
  readonly family: 4 | 6
  readonly isLoopback: boolean
  readonly #bytes: AddressBytes

  private constructor(text: string, bytes: AddressBytes) {
    this.#bytes = bytes
    this.family = bytes.length === 4 ? 4 : 6
    this.text = this.family === 4 ? bytes.join('.') : text
    this.isLoopback = LOOPBACK.some(({ cidr }) => contains(cidr, bytes))
  }

  /** Whether a connected socket's peer is this very address. */
  isPeer(remoteAddress: string | undefined): boolean {
    const remote = remoteAddress === undefined ? undefined : parseAddress(remoteAddress)
    return remote !== undefined && sameAddress(unmapped(remote), this.#bytes)
  }

  static judge(this: void, address: string, except: readonly Cidr[]): Verdict {
    try {
      return decide(address, except, (text, bytes) => new Judged(text, bytes))
    } catch {
      return { verdict: 'deny', rule: 'decider-failed', reason: 'the address could not be judged' }
    }
  }
}

export type JudgedAddress = Judged

/** The verdict on `address`. Never throws. */
export const judge: (address: string, except: readonly Cidr[]) => Verdict = Judged.judge

type Make = (text: string, bytes: AddressBytes) => JudgedAddress

function decide(text: string, except: readonly Cidr[], make: Make): Verdict {
  const parsed = parseAddress(text)
  if (parsed === undefined) {
    return { verdict: 'deny', rule: 'not-an-address', reason: 'not an IP address in its plain spelling' }
  }
  const bytes = unmapped(parsed)
  const judgement = weigh(bytes, except)
  return judgement.verdict === 'allow' ? { ...judgement, address: make(text, bytes) } : judgement
}

type Weighed = Omit<Extract<Verdict, { verdict: 'allow' }>, 'address'> | Extract<Verdict, { verdict: 'deny' }>

function weigh(bytes: AddressBytes, except: readonly Cidr[]): Weighed {
  const floor = find(FLOOR, bytes)
  if (floor !== undefined) return deny('never-allowed', floor)
  // ::1 is spelled inside the IPv4-compatible range, and is no embedding.
  const embedding = find(LOOPBACK, bytes) === undefined ? find(EMBEDDINGS, bytes) : undefined
  if (embedding !== undefined) return deny('carries-other-address', embedding)
  const isExcepted = except.some((cidr) => contains(cidr, bytes))
  if (contains(NAT64.cidr, bytes)) {
    return isExcepted ? weigh(bytes.slice(12), except) : deny('carries-other-address', NAT64)
  }
  const inside = isatap(bytes)
  if (inside !== undefined && weigh(inside, except).verdict === 'deny') {
    return {
      verdict: 'deny',
      rule: 'carries-other-address',
      reason: 'ISATAP around an address that is refused (RFC 5214)',
    }
  }
  if (isExcepted)
    return { verdict: 'allow', rule: 'excepted', reason: 'an exception of the operator opens it' }
  const special = find(SPECIAL, bytes)
  if (special !== undefined) return deny('special-purpose', special)
  if (bytes.length === 16 && !contains(GLOBAL_IPV6, bytes)) {
    return { verdict: 'deny', rule: 'outside-global-unicast', reason: 'outside 2000::/3 (RFC 4291)' }
  }
  return { verdict: 'allow', rule: 'global', reason: 'public unicast' }
}

/** IPv4 in an ISATAP interface id (RFC 5214 section 6.1): 0000:5efe or 0200:5efe before it. */
function isatap(bytes: AddressBytes): AddressBytes | undefined {
  const [u, zero, five, fe] = bytes.slice(8, 12)
  const marked = ((u ?? 1) & ~2) === 0 && zero === 0 && five === 0x5e && fe === 0xfe
  return marked ? bytes.slice(12) : undefined
}

function find(ranges: readonly SpecialRange[], bytes: AddressBytes): SpecialRange | undefined {
  return ranges.find(({ cidr }) => contains(cidr, bytes))
}

function deny(rule: Extract<Verdict, { verdict: 'deny' }>['rule'], range: SpecialRange): Weighed {
  return { verdict: 'deny', rule, reason: `${range.name}, ${range.prefix} (${range.source})` }
}
