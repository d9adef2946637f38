/**
 * Makes sure that `node_modules` is what `package-lock.json` says. In: the repository's folder. Out: nothing, at once when
 * all is there; otherwise after one `npm ci`. Refuses, with npm's own words, when npm cannot.
 *
 * Two starts at once install once: the second waits on a lock folder, and takes over when the first one died.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Milliseconds between two looks at a lock that someone else holds. */
const LOCK_POLL = 200
/** Milliseconds a lock may stand without its owner's number; writing it takes one. */
const LOCK_NAMELESS = 2_000
/** Lines of npm's output that are shown when it fails. */
const FAILURE_LINES = 20

/** @param {string} root */
export async function ensureDependencies(root) {
  if (installed(root)) return
  const release = await lock(root)
  try {
    // Whoever held the lock may have done it.
    if (installed(root)) return
    if (!matchesLockfile(root)) await install(root)
    stamp(root)
  } finally {
    release()
  }
}

/** The npm package that brings Node on this platform, or undefined where there is none. */
export function runtimePackage() {
  const known = ['linux-x64', 'linux-arm64']
  const platform = `${process.platform}-${process.arch}`
  return known.includes(platform) ? `node-${platform}` : undefined
}

/** @param {string} root */
function installed(root) {
  try {
    return runtimeThere(root) && readFileSync(stampFile(root), 'utf8') === lockDigest(root)
  } catch {
    return false // no stamp, so nothing is known
  }
}

/** @param {string} root */
function runtimeThere(root) {
  const name = runtimePackage()
  return name === undefined || existsSync(join(root, 'node_modules', name, 'bin/node'))
}

/**
 * Whether someone ran npm by hand and everything is there: npm notes in a lockfile of its own what it put where.
 * @param {string} root
 */
function matchesLockfile(root) {
  try {
    const wanted = packages(join(root, 'package-lock.json'))
    const present = packages(join(root, 'node_modules/.package-lock.json'))
    const there = ([path, entry]) =>
      !path.startsWith('node_modules/') ||
      (present[path] === undefined ? entry.optional === true : present[path].integrity === entry.integrity)
    return runtimeThere(root) && Object.entries(wanted).every(there)
  } catch {
    return false // never installed, or by a tool that leaves no such file
  }
}

/** @param {string} file @returns {Record<string, { integrity?: string, optional?: boolean }>} */
function packages(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages
}

/** @param {string} root */
function stamp(root) {
  writeFileSync(stampFile(root), lockDigest(root))
}

/** @param {string} root */
function stampFile(root) {
  return join(root, 'node_modules/.gatehouse-lock')
}

/** @param {string} root */
function lockDigest(root) {
  return createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
}

/** @param {string} root */
function install(root) {
  process.stderr.write('gatehouse: installing dependencies (once) …\n')
  // Development and optional packages too, whatever NODE_ENV or npm's settings say: the runtime is an optional one.
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--include=dev', '--include=optional']
  const npm = process.env['npm_execpath']
  const viaNpm = npm !== undefined && /\.c?js$/.test(npm)
  const [program, before] = viaNpm ? [process.execPath, [npm]] : ['npm', []]
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...before, ...args], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: process.platform === 'win32' && !viaNpm,
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
    child.once('error', (error) =>
      reject(new Error(`install dependencies: ${error.message}, wanted npm on the path`)),
    )
    child.once('close', (code) => {
      if (code === 0) return resolve(undefined)
      return reject(
        new Error(`install dependencies: npm ci ended with code ${code}, wanted 0\n${why(output)}`),
      )
    })
  })
}

/** npm says why first, and what it warns of does not matter here. @param {string} output */
function why(output) {
  const lines = output.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('npm warn'))
  return lines.slice(0, FAILURE_LINES).join('\n')
}

/** @param {string} root @returns {Promise<() => void>} the way to release it */
async function lock(root) {
  const folder = join(root, '.cache/install.lock')
  mkdirSync(join(root, '.cache'), { recursive: true })
  let said = false
  let namelessSince = Date.now()
  for (;;) {
    try {
      mkdirSync(folder)
      writeFileSync(join(folder, 'pid'), String(process.pid))
      return () => rmSync(folder, { recursive: true, force: true })
    } catch (error) {
      if (error.code !== 'EEXIST') throw new Error(`lock the installation: ${error.message}`)
    }
    const owner = lockOwner(folder)
    if (owner !== undefined) namelessSince = Date.now()
    if (owner === undefined ? Date.now() - namelessSince > LOCK_NAMELESS : !alive(owner)) {
      rmSync(folder, { recursive: true, force: true })
      continue
    }
    if (!said) process.stderr.write('gatehouse: another start is installing dependencies; waiting for it …\n')
    said = true
    await new Promise((resolve) => setTimeout(resolve, LOCK_POLL))
  }
}

/** @param {string} folder */
function lockOwner(folder) {
  try {
    return Number(readFileSync(join(folder, 'pid'), 'utf8')) || undefined
  } catch {
    return undefined // between its two steps, or just released
  }
}

/** @param {number} pid */
function alive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}
