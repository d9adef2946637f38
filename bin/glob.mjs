/**
 * Files under a folder by the end of their name, sorted. In: the folder and the ending. Out: absolute paths, none when there
 * is no such folder. Refuses to look into `node_modules`. (`fs.globSync` is not in Node 20.)
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

/** @param {string} folder @param {string} ending @returns {string[]} */
export function globSync(folder, ending) {
  return entries(folder)
    .flatMap((entry) => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : globSync(path, ending)
      return entry.name.endsWith(ending) ? [path] : []
    })
    .sort()
}

function entries(folder) {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch (error) {
    if (error.code === 'ENOENT') return []
    throw error
  }
}
