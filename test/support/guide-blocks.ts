/**
 * The blocks of a guide page that are files of the project. In: a page's path from the repository's root. Out: the text of
 * each fenced block by the path that stands behind its language. Refuses a page where one path has two blocks.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '../..')
/** A fence, a language, a path; the block ends at a fence of the same length. */
const BLOCK = /^(`{3,})\w+ (\S+)\n([\s\S]*?)^\1$/gm

export function blocksOf(page: string): ReadonlyMap<string, string> {
  const blocks = new Map<string, string>()
  for (const [, , path = '', text = ''] of readFileSync(join(ROOT, page), 'utf8').matchAll(BLOCK)) {
    if (blocks.has(path)) throw new Error(`read ${page}: two blocks of ${path}, wanted one`)
    blocks.set(path, text)
  }
  return blocks
}
