/**
 * Addresses as the vendor may have called them. In: a request behind a proxy. Out: the request under each address that
 * its headers and the proxy's habits allow, for vendors that sign the URL. Refuses nothing; headers are believed here
 * because the signature decides, while at the door only `publicUrl` counts.
 */
import type { RawRequest } from '../source.ts'
import type { Suspicion } from './suspicion.ts'

/** Hosts, ports and paths that headers may name; a request that names more is not a proxy's. */
const EACH_CAP = 6

const HOSTS = ['host', 'x-forwarded-host', 'x-original-host', 'x-host'] as const
const PATHS = ['x-original-uri', 'x-forwarded-uri', 'x-original-url', 'x-rewrite-url'] as const

interface Address {
  readonly scheme: string
  readonly host: string
  readonly target: string
}

export function urlSuspicions(request: RawRequest): readonly Suspicion[] {
  const known = addressOf(request)
  const tried = targetsOf(request, known.target).flatMap((target) =>
    hostsOf(request, known.host).flatMap((host) =>
      ['https', 'http'].map((scheme) => ({ scheme, host, target })),
    ),
  )
  return tried.map((address) => ({
    what: 'url-differs',
    evidence: `the vendor signed ${shown(address)}; the gate takes it for ${shown(known)}`,
    next: adviceOn(known, address),
    request: {
      ...request,
      target: address.target,
      publicUrl: `${address.scheme}://${address.host}${address.target}`,
    },
  }))
}

function addressOf({ publicUrl, target, headers }: RawRequest): Address {
  const [, scheme, host, path] = /^(https?):\/\/([^/?#]*)(.*)$/s.exec(publicUrl ?? '') ?? []
  return { scheme: scheme ?? 'http', host: host ?? headers.get('host') ?? '', target: path ?? target }
}

/** Without the query: vendors put signatures and tokens there. */
function shown({ scheme, host, target }: Address): string {
  const [path = '', query] = target.split('?', 2)
  return `${scheme}://${host}${path}${query === undefined ? '' : '?…'}`
}

function hostsOf({ headers }: RawRequest, known: string): readonly string[] {
  const forwarded = /(?:^|[;,\s])host="?([^";,\s]+)/i.exec(headers.get('forwarded') ?? '')?.[1]
  const named = [known, ...HOSTS.map((name) => headers.get(name)?.split(',', 1)[0]?.trim()), forwarded]
  const port = headers.get('x-forwarded-port')
  const all = named
    .filter((host) => host !== undefined && host !== '')
    .flatMap((host) => {
      const bare = String(host).replace(/:\d+$/, '')
      return [String(host), bare, ...(port === undefined ? [] : [`${bare}:${port}`])]
    })
  const hosts = [...new Set(all)].slice(0, EACH_CAP)
  return [
    ...hosts,
    ...hosts.filter((host) => !/:\d+$/.test(host)).flatMap((host) => [`${host}:443`, `${host}:80`]),
  ]
}

function targetsOf({ headers, target }: RawRequest, known: string): readonly string[] {
  const prefix = headers.get('x-forwarded-prefix')?.replace(/\/$/, '')
  const named = PATHS.map((name) => headers.get(name)?.replace(/^[a-z]+:\/\/[^/]*/i, ''))
  const all = [known, target, ...named, prefix === undefined ? undefined : prefix + target]
  const found = [...new Set(all.filter((path) => path?.startsWith('/')))].slice(0, EACH_CAP)
  return [...new Set(found.flatMap((path) => slashed(String(path))))]
}

/** With and without a slash at the path's end, with and without the query. */
function slashed(target: string): readonly string[] {
  const [path = '', query] = target.split('?', 2)
  const other = path.endsWith('/') ? path.slice(0, -1) : `${path}/`
  const rest = query === undefined ? '' : `?${query}`
  return [path + rest, other + rest, path, other]
}

function adviceOn(known: Address, signed: Address): string {
  if (known.host !== signed.host || known.scheme !== signed.scheme)
    return `set GATEHOUSE_PUBLIC_URL to ${signed.scheme}://${signed.host}, the address that the vendor calls`
  const [before = ''] = known.target.split('?', 1)
  const [path = ''] = signed.target.split('?', 1)
  if (path !== before && path.endsWith(before))
    return `the proxy takes ${path.slice(0, -before.length)} away: add it to GATEHOUSE_PUBLIC_URL`
  if (path === `${before}/` || before === `${path}/`)
    return 'give the vendor the address exactly as gatehouse channel show prints it; a slash at the end counts'
  return 'let the proxy pass path and query on unchanged; the vendor signs them'
}
