/**
 * Holds a file in the repository to what the program prints. In: the file's path from the repository's root and the text it
 * must have. Out: nothing. Refuses a difference; `npm run docs` writes the files anew instead, for a person to review.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

export function golden(path: string, text: string): void {
  const file = fileURLToPath(new URL(`../../${path}`, import.meta.url))
  if (process.env['GATEHOUSE_TEST_WRITE'] === '1') {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
    return
  }
  const pinned = existsSync(file) ? readFileSync(file, 'utf8') : ''
  assert.equal(
    text,
    pinned,
    `${path} is not what the program prints, wanted the same: npm run docs, then review`,
  )
}
