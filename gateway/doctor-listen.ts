/**
 * Where the listeners stand or would stand. In: addresses from the settings. Out: whether the ports are free or held by
 * a gate, and what is reachable that should not be. Refuses nothing; a port is bound for an instant and given back.
 */
import { createServer } from 'node:net'
import type { Config } from './config.ts'
import { broken, doubtful, fine, type Symptom } from './doctor-finding.ts'
import type { ListenAddress } from './settings.ts'

/** Milliseconds; whoever holds the port is on this machine. */
const PATIENCE = 2_000
const EVERYWHERE = new Set(['0.0.0.0', '::'])

export async function lookAtListeners(config: Config): Promise<readonly Symptom[]> {
  const { publicListen, adminListen } = config
  const clash = publicListen.port === adminListen.port && publicListen.port !== 0
  if (clash && (publicListen.host === adminListen.host || EVERYWHERE.has(publicListen.host)))
    return [
      broken('ports', `both listeners are set to port ${publicListen.port}`, 'give adminListen another port'),
    ]
  return [
    await portOf('public-port', publicListen),
    await portOf('admin-port', adminListen),
    publicBind(config),
    adminBind(config),
  ]
}

function publicBind({ publicListen: { host }, publicUrl }: Config): Symptom {
  if (isLoopback(host)) return fine('public-bind', `${host}: a proxy on this machine brings the webhooks`)
  if (publicUrl === undefined)
    return doubtful(
      'public-bind',
      `${host} is reachable from outside, in plain http, and publicUrl is not set`,
      'put a proxy with TLS in front and set GATEHOUSE_PUBLIC_URL; some vendors sign that URL',
    )
  if (!publicUrl.startsWith('https:'))
    return doubtful(
      'public-bind',
      `publicUrl is plain http`,
      'webhooks and tokens in them can be read on the way: use https',
    )
  return fine('public-bind', `${host}, behind ${publicUrl}`)
}

function adminBind({ adminListen: { host } }: Config): Symptom {
  if (isLoopback(host)) return fine('admin-bind', `${host}: this machine only`)
  return doubtful(
    'admin-bind',
    `${host}: the admin API, its tokens and metrics are reachable from outside, in plain http`,
    'set GATEHOUSE_ADMIN_LISTEN to 127.0.0.1:8081, or put it on a private network behind TLS',
  )
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}

async function portOf(check: string, at: ListenAddress): Promise<Symptom> {
  if (at.port === 0) return fine(check, 'port 0: a free one is taken at each start')
  const code = await bound(at)
  const shown = `${at.host}:${at.port}`
  if (code === undefined) return fine(check, `${shown} is free`)
  if (code === 'EADDRINUSE') return await holder(check, at)
  if (code === 'EACCES')
    return broken(
      check,
      `${shown} may not be used by this user`,
      'take a port above 1023, or grant CAP_NET_BIND_SERVICE',
    )
  return broken(check, `${shown} cannot be used (${code})`, 'name an address of this machine')
}

/** Undefined when it could be bound; else the system's word for why not. */
function bound({ host, port }: ListenAddress): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'failed'))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)))
  })
}

async function holder(check: string, { host, port }: ListenAddress): Promise<Symptom> {
  const near = EVERYWHERE.has(host) ? '127.0.0.1' : host
  const url = `http://${near.includes(':') ? `[${near}]` : near}:${port}/readyz`
  try {
    const answer = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(PATIENCE) })
    const text = (await answer.text()).slice(0, 1_000)
    const isGate = /^(not )?ready\n$|"ready":true|"code":"unavailable"/.test(text)
    if (isGate && answer.ok) return fine(check, `${host}:${port} is held by a gate that is ready`)
    if (isGate)
      return broken(
        check,
        `${host}:${port} is held by a gate that is not ready`,
        'see its log: store or root key failed',
      )
  } catch {
    // Whoever it is does not speak HTTP; told below.
  }
  return broken(check, `${host}:${port} is held by another program`, 'end it, or give the gate another port')
}
