/**
 * Adds the source of `docs/guide/add-a-source.md` to a process, as the page says. In: `node --import` of this file before
 * the program. Out: the program with one file more and the lines of the page in its list; nothing is written to disk.
 * Refuses, by ending the process, a page without these blocks or with a line that finds no place.
 */
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { blocksOf } from './guide-blocks.ts'

const ROOT = join(import.meta.dirname, '../..')
const LIST = 'gateway/ingress/sources.ts'
const FILE = /^gateway\/ingress\/sources\/[a-z-]+\.ts$/

const blocks = blocksOf('docs/guide/add-a-source.md')
const [path, source] = [...blocks].find(([name]) => FILE.test(name)) ?? ['', '']
const lines = blocks.get(LIST) ?? ''
if (source === '' || lines === '') throw new Error('add the source of the guide: its blocks are missing')

const added = pathToFileURL(join(ROOT, path)).href
const list = pathToFileURL(join(ROOT, LIST)).href

registerHooks({
  resolve(specifier, context, next) {
    const isAdded = context.parentURL === list && new URL(specifier, list).href === added
    return isAdded
      ? { url: added, format: 'module-typescript', shortCircuit: true }
      : next(specifier, context)
  },
  load(url, context, next) {
    if (url === added) return { format: 'module-typescript', source, shortCircuit: true }
    if (url !== list) return next(url, context)
    const text = withLines(readFileSync(join(ROOT, LIST), 'utf8'), lines)
    return { format: 'module-typescript', source: text, shortCircuit: true }
  },
})

/** Puts each `+` line of the block behind the ` ` line above it. */
function withLines(text: string, diff: string): string {
  let above = ''
  let patched = text
  for (const line of diff.split('\n').filter((one) => one !== '')) {
    const said = line.slice(1)
    if (line.startsWith('+')) patched = patched.replace(`${above}\n`, () => `${above}\n${said}\n`)
    else if (!text.split('\n').includes(said)) throw new Error(`add the source of the guide: no line ${said}`)
    above = said
  }
  return patched
}
