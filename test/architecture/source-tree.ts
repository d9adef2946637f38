/**
 * The repository's own source as data. In: the folders of the workspaces. Out: each file with its text and its imports,
 * named from the root. Refuses nothing; what an import may be is for `rules.ts`.
 */
import { globSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface Import {
  /** `gateway/store/id.ts` for files of ours, `node:fs` or a package's name otherwise. */
  readonly target: string
  /** Names taken; empty for a side effect or a namespace. */
  readonly names: readonly string[]
  /** Gone at run time: `import type`, or every name marked so. */
  readonly typeOnly: boolean
}

export interface SourceFile {
  readonly path: string
  readonly text: string
  readonly imports: readonly Import[]
}

/** All TypeScript of the workspaces; tests too where asked. */
export function sourceTree(folders: readonly string[], tests = false): SourceFile[] {
  const paths = folders.flatMap((folder) => globSync(`${folder}/**/*.ts`, { cwd: ROOT }))
  return paths
    .filter((path) => !path.includes('node_modules') && (tests || !path.endsWith('.test.ts')))
    .toSorted()
    .map((path) => sourceFile(path, readFileSync(`${ROOT}/${path}`, 'utf8')))
}

/** `import … from '…'`, `export … from '…'`, `import '…'`, `import('…')`, as oxfmt lays them out. */
const STATEMENT =
  /^(?:import|export)\s+([^'";]*?)\s*from\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gm

export function sourceFile(path: string, text: string): SourceFile {
  const imports = [...text.matchAll(STATEMENT)].map(([, clause = '', from, bare, dynamic]) => ({
    target: target(path, from ?? bare ?? dynamic ?? ''),
    names: namesOf(clause),
    typeOnly: isTypeOnly(clause),
  }))
  return { path, text, imports }
}

function target(importer: string, specifier: string): string {
  if (specifier.startsWith('.')) return posix.join(posix.dirname(importer), specifier)
  return specifier.replace(/^@gatehouse\//, '')
}

function namesOf(clause: string): string[] {
  const braces = /\{([^}]*)\}/.exec(clause)?.[1] ?? ''
  return braces.split(',').flatMap((part) => part.trim().split(' as ')[0]?.trim() || [])
}

function isTypeOnly(clause: string): boolean {
  if (clause.startsWith('type ')) return true
  const names = namesOf(clause)
  return clause.startsWith('{') && names.length > 0 && names.every((name) => name.startsWith('type '))
}
