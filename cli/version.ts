/** What this program is. In: the root package. Out: its version. Refuses a package file without one. */
import { readFile } from 'node:fs/promises'

export async function versionOf(): Promise<string> {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8')
  const root: unknown = JSON.parse(text)
  if (typeof root !== 'object' || root === null || !('version' in root))
    throw new Error('read the version: none')
  return String(root.version)
}
