/**
 * Where settings come from: options of the command line, the environment, files for secrets, one YAML file. In: all of
 * these. Out: the text of each setting with its origin, the nearer source before the farther. Refuses, all at once,
 * names that nobody knows, values that are no text, and secret files that others may read.
 */
import { createRequire } from 'node:module'
import { nearest } from './nearest.ts'
import { environmentName, factsOf, SETTING_NAMES, type SettingName } from './settings.ts'

/** Variables that are not settings of a gate but belong to Gatehouse: the CLI's own, and those of test runs. */
const OTHER_VARIABLES: ReadonlySet<string> = new Set([
  'GATEHOUSE_URL',
  'GATEHOUSE_TOKEN',
  'GATEHOUSE_TOKEN_FILE',
  'GATEHOUSE_VECTORS',
  'GATEHOUSE_REQUIRE',
])
const TEST_PREFIX = 'GATEHOUSE_TEST_'

/** Read without being named when it is there. */
const USUAL_FILE = 'gatehouse.yaml'

export type Origin = 'default' | 'option' | 'env' | 'file' | 'secret-file'

/** A setting as set: where, for messages, and its text. */
export interface Given {
  readonly origin: Origin
  /** `GATEHOUSE_BODY_CAP`, `bodyCap in gatehouse.yaml`, `--data`. */
  readonly place: string
  readonly text: string
}

/** A file with what decides who may read it. `uid` is the owner's. */
export interface ReadFile {
  readonly text: string
  readonly mode: number
  readonly uid: number
}

export interface Sources {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Command line options by the name of the setting they override. */
  readonly argv?: Readonly<Record<string, string>>
  /** Throws as `node:fs` does. Paths are as the user wrote them. */
  readonly readFile: (path: string) => ReadFile
  /** Who runs the gate; undefined where the system has no such numbers. */
  readonly uid: number | undefined
}

export interface Gathered {
  readonly given: ReadonlyMap<SettingName, Given>
  readonly problems: readonly string[]
}

export function gather(sources: Sources): Gathered {
  const problems: string[] = []
  const env = fromEnvironment(sources, problems)
  const options = fromOptions(sources.argv ?? {}, problems)
  const named = options.get('configFile') ?? env.get('configFile')
  const file = fromFile(named?.text, sources, problems)
  return { given: new Map([...file, ...env, ...options]), problems }
}

type Found = Map<SettingName, Given>

function fromOptions(argv: Readonly<Record<string, string>>, problems: string[]): Found {
  const found: Found = new Map()
  for (const [name, text] of Object.entries(argv)) {
    if (isSetting(name)) found.set(name, { origin: 'option', place: `the option for ${name}`, text })
    else problems.push(`there is no option for ${JSON.stringify(name)}`)
  }
  return found
}

function fromEnvironment(sources: Sources, problems: string[]): Found {
  const found: Found = new Map()
  for (const [variable, text] of Object.entries(sources.env)) {
    // Empty counts as not set: compose files and shells make such.
    if (text === undefined || text === '' || !variable.startsWith('GATEHOUSE_')) continue
    const known = BY_VARIABLE.get(variable)
    if (known !== undefined) take(found, known, { variable, text }, sources, problems)
    else if (!OTHER_VARIABLES.has(variable) && !variable.startsWith(TEST_PREFIX)) {
      problems.push(unknown(variable, [...BY_VARIABLE.keys()]))
    }
  }
  return found
}

interface Variable {
  readonly name: SettingName
  readonly fromFile: boolean
}

const BY_VARIABLE: ReadonlyMap<string, Variable> = new Map(
  SETTING_NAMES.flatMap((name): [string, Variable][] => {
    const variable = environmentName(name)
    const plain: [string, Variable] = [variable, { name, fromFile: false }]
    return factsOf(name).secret === true ? [plain, [`${variable}_FILE`, { name, fromFile: true }]] : [plain]
  }),
)

function take(
  found: Found,
  { name, fromFile: inFile }: Variable,
  { variable, text }: { variable: string; text: string },
  sources: Sources,
  problems: string[],
): void {
  if (found.has(name)) {
    problems.push(
      `${environmentName(name)} and ${environmentName(name)}_FILE are both set, wanted one of them`,
    )
  } else if (!inFile) {
    found.set(name, { origin: 'env', place: variable, text })
  } else {
    const secret = secretFile(variable, text, sources, problems)
    if (secret !== undefined) found.set(name, { origin: 'secret-file', place: variable, text: secret })
  }
}

/** The file's text without the line break that editors leave at its end. */
function secretFile(place: string, path: string, sources: Sources, problems: string[]): string | undefined {
  const file = read(place, path, sources, problems)
  if (file === undefined) return undefined
  if (readByOthers(file, sources.uid)) {
    problems.push(
      `${place} names ${path}, which others may read (mode ${octal(file.mode)}), wanted 0600: chmod 600 ${path}`,
    )
    return undefined
  }
  return file.text.replace(/\r?\n$/, '')
}

/**
 * PostgreSQL's rule for key files: nobody else may read one of ours; one of another owner's, as container platforms
 * mount them, may be read by our group.
 */
function readByOthers(file: ReadFile, uid: number | undefined): boolean {
  if (uid === undefined) return false
  return (file.mode & (file.uid === uid ? 0o077 : 0o037)) !== 0
}

function fromFile(named: string | undefined, sources: Sources, problems: string[]): Found {
  const found: Found = new Map()
  const path = named ?? USUAL_FILE
  const file =
    named === undefined ? readIfThere(path, sources, problems) : read('configFile', path, sources, problems)
  if (file === undefined) return found
  for (const [key, value] of entries(path, file.text, problems)) {
    const place = `${key} in ${path}`
    const text = asText(value)
    const known = BY_KEY.get(key)
    if (known === undefined) problems.push(unknown(place, [...BY_KEY.keys()], key))
    else if (known.name === 'configFile')
      problems.push(`${place} is not taken, wanted it in the environment only`)
    else if (text === undefined)
      problems.push(`${place} is no text, number, boolean or list of these, wanted one`)
    else if (known.fromFile || factsOf(known.name).secret !== true) {
      take(found, known, { variable: place, text }, sources, problems)
    } else if (readByOthers(file, sources.uid)) {
      problems.push(
        `${place} is a secret in a file that others may read (mode ${octal(file.mode)}), wanted 0600: chmod 600 ${path}`,
      )
    } else found.set(known.name, { origin: 'file', place, text })
  }
  return new Map(
    [...found].map(([name, given]) => [name, given.origin === 'env' ? { ...given, origin: 'file' } : given]),
  )
}

const BY_KEY: ReadonlyMap<string, Variable> = new Map(
  SETTING_NAMES.flatMap((name): [string, Variable][] => {
    const plain: [string, Variable] = [name, { name, fromFile: false }]
    return factsOf(name).secret === true ? [plain, [`${name}File`, { name, fromFile: true }]] : [plain]
  }),
)

/** Loaded only where there is a file: most gates are set by their environment, and starting is to be fast. */
function entries(path: string, text: string, problems: string[]): [string, unknown][] {
  // A boundary: `require` has no types.
  const { parseDocument } = createRequire(import.meta.url)('yaml') as typeof import('yaml')
  const document = parseDocument(text, { uniqueKeys: true, prettyErrors: false, logLevel: 'silent' })
  if (document.errors.length > 0) {
    // The parser's own message quotes the line, which may hold a secret.
    problems.push(
      ...document.errors.map((error) => `${path} is no YAML: ${error.code} at character ${error.pos[0]}`),
    )
    return []
  }
  // No aliases: a few lines of them grow to gigabytes, and settings need none.
  const value: unknown = withoutAliases(() => document.toJS({ maxAliasCount: 0 }))
  if (value === null) return []
  if (typeof value === 'object' && !Array.isArray(value)) return Object.entries(value)
  problems.push(`${path} is no list of "name: value" lines, wanted one`)
  return []
}

function withoutAliases(read_: () => unknown): unknown {
  try {
    return read_()
  } catch {
    return [] // told as a wrong shape, which it is
  }
}

function asText(value: unknown): string | undefined {
  if (Array.isArray(value)) {
    const texts = value.map(asText)
    return texts.every((text) => text !== undefined) ? texts.join(',') : undefined
  }
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined
}

function read(place: string, path: string, sources: Sources, problems: string[]): ReadFile | undefined {
  try {
    return sources.readFile(path)
  } catch (error) {
    problems.push(`${place} names ${path}, which cannot be read (${codeOf(error)}), wanted a readable file`)
    return undefined
  }
}

function readIfThere(path: string, sources: Sources, problems: string[]): ReadFile | undefined {
  try {
    return sources.readFile(path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT')
      problems.push(`${path} cannot be read (${codeOf(error)}), wanted it readable or gone`)
    return undefined
  }
}

function unknown(place: string, known: readonly string[], given = place): string {
  const near = nearest(given, known)
  return `${place} is not a setting${near === undefined ? '' : `, perhaps ${near} was meant`}`
}

function isSetting(name: string): name is SettingName {
  return (SETTING_NAMES as readonly string[]).includes(name)
}

function octal(mode: number): string {
  return (mode & 0o777).toString(8).padStart(4, '0')
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'failed'
}
