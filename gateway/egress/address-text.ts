/**
 * Reads and compares IP addresses as bytes. In: text. Out: 4 or 16 bytes, or a range of them. Refuses, by answering
 * `undefined`, every spelling that two programs could read differently: octal, hex, short and padded IPv4, zone ids,
 * brackets, white space.
 */

/** 4 bytes of IPv4 or 16 of IPv6. */
export type AddressBytes = readonly number[]

/** All addresses whose first `bits` bits are those of `bytes`. */
export interface Cidr {
  readonly bytes: AddressBytes
  readonly bits: number
}

/** Longest text that can be an address (RFC 4291, with an IPv4 tail). */
const LONGEST = 45

/** The bytes of an address in dotted decimal or in a form of RFC 4291 section 2.2. */
export function parseAddress(text: string): AddressBytes | undefined {
  if (text.length > LONGEST) return undefined
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text)
}

/** A range such as `10.0.0.0/8`; one address alone is a range of one. Bits set beyond the prefix are refused. */
export function parseCidr(text: string): Cidr | undefined {
  const [address = '', length, more] = text.split('/')
  const bytes = parseAddress(address)
  if (bytes === undefined || more !== undefined) return undefined
  if (length === undefined) return { bytes, bits: bytes.length * 8 }
  if (!/^(0|[1-9]\d{0,2})$/.test(length) || Number(length) > bytes.length * 8) return undefined
  const bits = Number(length)
  return bytes.every((byte, i) => (byte & ~mask(bits, i)) === 0) ? { bytes, bits } : undefined
}

/** A range known to be well spelled; for tables in the program. */
export function range(text: string): Cidr {
  const cidr = parseCidr(text)
  if (cidr === undefined) throw new RangeError(`read an address range: ${text} is not one`)
  return cidr
}

/** Whether `address` lies in `cidr`; addresses of the other family never do. */
export function contains(cidr: Cidr, address: AddressBytes): boolean {
  if (cidr.bytes.length !== address.length) return false
  return cidr.bytes.every((byte, i) => ((byte ^ (address[i] ?? 0)) & mask(cidr.bits, i)) === 0)
}

export function sameAddress(a: AddressBytes, b: AddressBytes): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

/** IPv4 behind an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2), or the address itself. */
export function unmapped(address: AddressBytes): AddressBytes {
  return contains(MAPPED, address) ? address.slice(12) : address
}

const MAPPED: Cidr = { bytes: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0], bits: 96 }

function mask(bits: number, byteIndex: number): number {
  const set = Math.min(8, Math.max(0, bits - byteIndex * 8))
  return (0xff << (8 - set)) & 0xff
}

function parseIpv4(text: string): AddressBytes | undefined {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part))) return undefined
  const bytes = parts.map(Number)
  return bytes.every((byte) => byte <= 255) ? bytes : undefined
}

function parseIpv6(text: string): AddressBytes | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const [head = '', tail] = halves
  const front = parseGroups(head, tail === undefined)
  const back = tail === undefined ? [] : parseGroups(tail, true)
  if (front === undefined || back === undefined) return undefined
  const missing = 16 - front.length - back.length
  // `::` stands for at least one group of zeros; without it all eight are there.
  if (tail === undefined ? missing !== 0 : missing < 2) return undefined
  return [...front, ...Array.from({ length: missing }, () => 0), ...back]
}

/** Bytes of groups joined by colons; the last may be dotted IPv4 where the address ends. */
function parseGroups(text: string, endsAddress: boolean): number[] | undefined {
  if (text === '') return []
  const bytes: number[] = []
  const groups = text.split(':')
  for (const [i, group] of groups.entries()) {
    const dotted = endsAddress && i === groups.length - 1 && group.includes('.')
    const parsed = dotted ? parseIpv4(group) : parseGroup(group)
    if (parsed === undefined) return undefined
    bytes.push(...parsed)
  }
  return bytes
}

function parseGroup(text: string): AddressBytes | undefined {
  if (!/^[0-9a-fA-F]{1,4}$/.test(text)) return undefined
  const value = Number.parseInt(text, 16)
  return [value >> 8, value & 0xff]
}
