/**
 * The data folder, looked at without changing it. In: its path. Out: whether a gate could open it, who else can read
 * it, how much room is left. Refuses nothing: unlike a start it makes no folder and no key.
 */
import { existsSync, lstatSync, statfsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type DataFolder, openDataFolder } from './data-folder.ts'
import { broken, doubtful, fine, type Symptom } from './doctor-finding.ts'
import { StartRefused } from './start-refused.ts'

/** Bytes. A full disk refuses every delivery; a gigabyte is days of an ordinary gate. */
const ROOM_LEAST = 100 * 1024 * 1024
const ROOM_WANTED = 1024 * 1024 * 1024

export interface FolderSeen {
  readonly symptoms: readonly Symptom[]
  /** Undefined before the first start, and when the folder cannot be used. */
  readonly folder: DataFolder | undefined
}

export function lookAtFolder(path: string): FolderSeen {
  const room = roomAt(path)
  if (!existsSync(path)) return { symptoms: [...missing(path), ...room], folder: undefined }
  if (!existsSync(join(path, 'root.key'))) return { symptoms: [...keyless(path), ...room], folder: undefined }
  try {
    // With both there it only reads.
    const folder = openDataFolder(path)
    return {
      symptoms: [
        fine('data-folder', `${path} and its root key are yours alone`),
        ...looseFiles(folder),
        ...room,
      ],
      folder,
    }
  } catch (error) {
    const detail = error instanceof StartRefused ? error.message : `${path} cannot be used`
    return {
      symptoms: [broken('data-folder', detail, 'the gate does not start before this is mended'), ...room],
      folder: undefined,
    }
  }
}

function missing(path: string): readonly Symptom[] {
  return [fine('data-folder', `${path} is not there yet; the first start makes it`)]
}

/** A folder with a database and no key is a lost key, not a new gate. */
function keyless(path: string): readonly Symptom[] {
  return existsSync(join(path, 'gatehouse.db'))
    ? [
        broken(
          'data-folder',
          `${path} holds a database and no root.key`,
          'put back the root.key that this database was made with',
        ),
      ]
    : [fine('data-folder', `${path} holds no root.key yet; the first start makes one`)]
}

/** The folder keeps others out; a file that is open to them is one `mv` away from being read. */
function looseFiles({ databaseFile }: DataFolder): readonly Symptom[] {
  const loose = [databaseFile, `${databaseFile}-wal`].filter((file) => {
    const found = lstatSync(file, { throwIfNoEntry: false })
    return found !== undefined && (found.mode & 0o002) !== 0
  })
  return loose.map((file) => doubtful('data-folder', `${file} can be written by others`, `chmod 600 ${file}`))
}

function roomAt(path: string): readonly Symptom[] {
  let there = path
  while (!existsSync(there) && dirname(there) !== there) there = dirname(there)
  const { bavail, bsize } = statfsSync(there)
  const free = bavail * bsize
  const detail = `${Math.floor(free / 1024 / 1024)} MiB free at ${there}`
  if (free < ROOM_LEAST) return [broken('disk', detail, 'make room: a full disk refuses every delivery')]
  return [free < ROOM_WANTED ? doubtful('disk', detail, 'make room before it is full') : fine('disk', detail)]
}
