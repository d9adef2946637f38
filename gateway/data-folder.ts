/**
 * The gate's own folder. In: its path. Out: the path of the database in it and the root key, which seals all else. Makes
 * both at the first start. Refuses, with what to do, a folder or key that others may read, a key that is none, a folder
 * that cannot be written: whoever reads the key reads every secret.
 */
import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  type Stats,
  writeSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fromBase64 } from '@gatehouse/proof/bytes.ts'
import { StartRefused } from './start-refused.ts'

/** Bytes of an AES-256 key. */
const KEY_LENGTH = 32
/** Bytes of the file read at most: base64 of the key and a line break, and some to tell that there is more. */
const KEY_FILE_CAP = 64
const KEY_FILE = 'root.key'
const DATABASE_FILE = 'gatehouse.db'

export interface DataFolder {
  /** Absolute. */
  readonly path: string
  readonly databaseFile: string
  /** 256 bits. A `KeyObject` prints without its bytes. */
  readonly rootKey: KeyObject
  /** Whether this start made the key: the first one of this folder. */
  readonly fresh: boolean
}

export function openDataFolder(path: string): DataFolder {
  const folder = resolve(path)
  makeFolder(folder)
  checkFolder(folder)
  const keyFile = join(folder, KEY_FILE)
  const fresh = makeKey(folder, keyFile)
  return { path: folder, databaseFile: join(folder, DATABASE_FILE), rootKey: readKey(keyFile), fresh }
}

function makeFolder(folder: string): void {
  attempt(folder, `a folder that can be made: check ${dirname(folder)}`, () => {
    mkdirSync(dirname(folder), { recursive: true })
    try {
      mkdirSync(folder, { mode: 0o700 })
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error
    }
  })
}

function checkFolder(folder: string): void {
  const found = attempt(folder, 'a folder', () => lstatSync(folder))
  if (found.isSymbolicLink()) throw refused('data-folder', `${folder} is a link, wanted the folder itself`)
  if (!found.isDirectory()) throw refused('data-folder', `${folder} is not a folder, wanted one`)
  checkOwner(folder, found)
  checkMode(folder, found, '0700', `chmod 700 ${folder}`)
  attempt(folder, 'a folder that can be written', () =>
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK),
  )
}

/**
 * Makes the key under another name and links it into place: a key file is whole or not there, and of two gates that
 * start at once the first link wins. Answers whether this one did.
 */
function makeKey(folder: string, keyFile: string): boolean {
  if (exists(keyFile)) return false
  const draft = join(folder, `.${KEY_FILE}.${process.pid}.${randomBytes(6).toString('hex')}`)
  return attempt(keyFile, 'a key file that can be made', () => {
    try {
      writeDurably(draft, `${randomBytes(KEY_LENGTH).toString('base64')}\n`)
      linkSync(draft, keyFile)
      syncFolder(folder)
      return true
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return false
      throw error
    } finally {
      rmSync(draft, { force: true })
    }
  })
}

/** A key that a power cut takes away would take every sealed row with it. */
function writeDurably(file: string, text: string): void {
  const handle = openSync(file, 'wx', 0o600)
  try {
    writeSync(handle, text)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

function readKey(keyFile: string): KeyObject {
  const text = attempt(keyFile, 'the key file of this folder', () => {
    // Not through a link, and what is judged is what is read.
    const handle = openSync(keyFile, constants.O_RDONLY | constants.O_NOFOLLOW)
    try {
      const found = fstatSync(handle)
      if (!found.isFile() || found.size > KEY_FILE_CAP) throw malformed(keyFile)
      checkOwner(keyFile, found)
      checkMode(keyFile, found, '0600', `chmod 600 ${keyFile}`)
      return readFileSync(handle, 'utf8')
    } finally {
      closeSync(handle)
    }
  })
  const bytes = fromBase64(text.trim())
  if (bytes?.length !== KEY_LENGTH) throw malformed(keyFile)
  return createSecretKey(bytes)
}

function checkMode(path: string, found: Stats, wanted: string, repair: string): void {
  if ((found.mode & 0o077) === 0) return
  const mode = (found.mode & 0o777).toString(8).padStart(4, '0')
  throw refused('readable-by-others', `${path} is open to others (mode ${mode}), wanted ${wanted}: ${repair}`)
}

function checkOwner(path: string, found: Stats): void {
  const us = process.getuid?.()
  if (us === undefined || found.uid === us) return
  throw refused(
    'wrong-owner',
    `${path} belongs to user ${found.uid}, wanted the one who runs the gate (${us}): chown ${us} ${path}`,
  )
}

function malformed(keyFile: string): StartRefused {
  const wanted = `${KEY_LENGTH} bytes in base64: restore it from a backup, since only this key opens what is stored`
  return refused('root-key', `${keyFile} holds no root key, wanted ${wanted}`)
}

function refused(code: string, present: string): StartRefused {
  return new StartRefused(code, `open the data folder: ${present}`)
}

/** Turns what the system says into one sentence. */
function attempt<T>(path: string, wanted: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    if (error instanceof StartRefused) throw error
    throw refused('data-folder', `${path} cannot be used (${codeOf(error)}), wanted ${wanted}`)
  }
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'failed'
}
