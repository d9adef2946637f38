/**
 * The address ranges that are not the public internet, as data: the IANA special-purpose registries and what they leave
 * out, each with its source. Nothing comes in, tables leave; `address.ts` decides what they mean. Refuses nothing.
 */
import { type Cidr, range } from './address-text.ts'

export interface SpecialRange {
  readonly cidr: Cidr
  readonly prefix: string
  readonly name: string
  readonly source: string
}

/** Never opened by any exception: no operator means these when writing one, and an attacker does. */
export const FLOOR: readonly SpecialRange[] = table([
  ['0.0.0.0/32', 'unspecified', 'RFC 1122 section 3.2.1.3'],
  ['::/128', 'unspecified', 'RFC 4291'],
  ['224.0.0.0/4', 'multicast', 'RFC 5771'],
  ['ff00::/8', 'multicast', 'RFC 4291'],
  ['255.255.255.255/32', 'limited broadcast', 'RFC 919 section 7'],
  ['169.254.169.254/32', 'cloud metadata', 'AWS, Google Cloud, Azure, OpenStack'],
  ['169.254.170.2/32', 'cloud metadata', 'AWS ECS task credentials'],
  ['169.254.170.23/32', 'cloud metadata', 'AWS EKS pod identity'],
  ['100.100.100.200/32', 'cloud metadata', 'Alibaba Cloud'],
  ['192.0.0.192/32', 'cloud metadata', 'Oracle Cloud'],
  ['168.63.129.16/32', 'cloud metadata', 'Azure wire server'],
  ['fd00:ec2::254/128', 'cloud metadata', 'AWS'],
  ['fd00:ec2::23/128', 'cloud metadata', 'AWS EKS pod identity'],
  ['fd20:ce::254/128', 'cloud metadata', 'Google Cloud'],
  ['fe80::a9fe:a9fe/128', 'cloud metadata', 'OpenStack'],
])

/** IPv6 that carries IPv4 somewhere else than it says. Refused whole, whatever is inside. */
export const EMBEDDINGS: readonly SpecialRange[] = table([
  ['2002::/16', '6to4', 'RFC 3056'],
  ['2001::/32', 'Teredo', 'RFC 4380'],
  ['64:ff9b:1::/48', 'local-use NAT64', 'RFC 8215'],
  ['::/96', 'IPv4-compatible', 'RFC 4291 section 2.5.5.1'],
  ['::ffff:0:0:0/96', 'IPv4-translated', 'RFC 2765'],
])

/** NAT64: refused, unless an exception names it; then the IPv4 address inside is judged, never the prefix believed. */
export const NAT64: SpecialRange = special('64:ff9b::/96', 'NAT64', 'RFC 6052')

export const LOOPBACK: readonly SpecialRange[] = table([
  ['127.0.0.0/8', 'loopback', 'RFC 1122 section 3.2.1.3'],
  ['::1/128', 'loopback', 'RFC 4291'],
])

/** Refused unless an exception opens them. */
export const SPECIAL: readonly SpecialRange[] = [
  ...LOOPBACK,
  ...table([
    ['0.0.0.0/8', 'this network', 'RFC 791 section 3.2'],
    ['10.0.0.0/8', 'private use', 'RFC 1918'],
    ['100.64.0.0/10', 'shared address space', 'RFC 6598'],
    ['169.254.0.0/16', 'link local', 'RFC 3927'],
    ['172.16.0.0/12', 'private use', 'RFC 1918'],
    ['192.0.0.0/29', 'IPv4 service continuity', 'RFC 7335'],
    ['192.0.0.8/32', 'IPv4 dummy address', 'RFC 7600'],
    ['192.0.0.9/32', 'port control protocol anycast', 'RFC 7723'],
    ['192.0.0.10/32', 'TURN anycast', 'RFC 8155'],
    ['192.0.0.170/32', 'NAT64 discovery', 'RFC 8880'],
    ['192.0.0.171/32', 'NAT64 discovery', 'RFC 8880'],
    ['192.0.0.0/24', 'IETF protocol assignments', 'RFC 6890 section 2.1'],
    ['192.0.2.0/24', 'documentation', 'RFC 5737'],
    ['192.31.196.0/24', 'AS112', 'RFC 7535'],
    ['192.52.193.0/24', 'AMT', 'RFC 7450'],
    ['192.88.99.2/32', '6a44 relay anycast', 'RFC 6751'],
    ['192.88.99.0/24', '6to4 relay anycast', 'RFC 7526'],
    ['192.168.0.0/16', 'private use', 'RFC 1918'],
    ['192.175.48.0/24', 'direct delegation AS112', 'RFC 7534'],
    ['198.18.0.0/15', 'benchmarking', 'RFC 2544'],
    ['198.51.100.0/24', 'documentation', 'RFC 5737'],
    ['203.0.113.0/24', 'documentation', 'RFC 5737'],
    ['240.0.0.0/4', 'reserved', 'RFC 1112 section 4'],
    ['100::/64', 'discard only', 'RFC 6666'],
    ['100:0:0:1::/64', 'dummy prefix', 'RFC 9780'],
    ['2001:1::1/128', 'port control protocol anycast', 'RFC 7723'],
    ['2001:1::2/128', 'TURN anycast', 'RFC 8155'],
    ['2001:1::3/128', 'DNS-SD registration anycast', 'RFC 9665'],
    ['2001:2::/48', 'benchmarking', 'RFC 5180'],
    ['2001:3::/32', 'AMT', 'RFC 7450'],
    ['2001:4:112::/48', 'AS112', 'RFC 7535'],
    ['2001:10::/28', 'ORCHID', 'RFC 4843'],
    ['2001:20::/28', 'ORCHIDv2', 'RFC 7343'],
    ['2001:30::/28', 'drone remote ID', 'RFC 9374'],
    ['2001::/23', 'IETF protocol assignments', 'RFC 2928'],
    ['2001:db8::/32', 'documentation', 'RFC 3849'],
    ['200::/7', 'NSAP', 'RFC 4048'],
    ['2620:4f:8000::/48', 'direct delegation AS112', 'RFC 7534'],
    ['3ffe::/16', '6bone', 'RFC 3701'],
    ['3fff::/20', 'documentation', 'RFC 9637'],
    ['5f00::/16', 'segment routing', 'RFC 9602'],
    ['fc00::/7', 'unique local', 'RFC 4193'],
    ['fe00::/9', 'reserved', 'RFC 4291'],
    ['fe80::/10', 'link local', 'RFC 4291'],
    ['fec0::/10', 'site local', 'RFC 3879'],
  ]),
]

/** The only part of IPv6 that IANA has given out as global unicast; all else is refused unseen. */
export const GLOBAL_IPV6: Cidr = range('2000::/3')

function table(rows: readonly (readonly [string, string, string])[]): SpecialRange[] {
  return rows.map(([prefix, name, source]) => special(prefix, name, source))
}

function special(prefix: string, name: string, source: string): SpecialRange {
  return { cidr: range(prefix), prefix, name, source }
}
