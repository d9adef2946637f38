/**
 * The settings a gate starts with. In: environment, options, one YAML file, files of secrets. Out: a `Config`, or every
 * problem at once. Refuses unknown names, malformed values, placeholder secrets; no message ever holds a secret's text.
 */
import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { gather, type Given, type Origin, type ReadFile } from './setting-sources.ts'
import {
  factsOf,
  SETTING_NAMES,
  type SettingName,
  type SettingValues,
  Settings,
  written,
} from './settings.ts'

export type Config = SettingValues & { readonly origins: Readonly<Record<SettingName, Origin>> }

export interface ConfigInput {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Command line options by the name of the setting they override: `data`, `publicListen` … */
  readonly argv?: Readonly<Record<string, string>>
  /** Folder that paths are relative to. */
  readonly cwd?: string
  readonly readFile?: (path: string) => ReadFile
}

/** Why no gate can start with these settings. */
export class ConfigProblems {
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    this.problems = problems
  }

  /** A line each. */
  toString(): string {
    return this.problems.map((problem) => `read settings: ${problem}`).join('\n')
  }
}

export function loadConfig(input: ConfigInput): Config | ConfigProblems {
  const cwd = input.cwd ?? process.cwd()
  const readFile = input.readFile ?? ((path) => readWithMode(resolve(cwd, path)))
  const { given, problems } = gather({
    env: input.env,
    argv: input.argv ?? {},
    readFile,
    uid: process.getuid?.(),
  })
  const parsed = Settings.safeParse(Object.fromEntries([...given].map(([name, { text }]) => [name, text])))
  const malformed = parsed.success
    ? []
    : parsed.error.issues.map((issue) => sentence(issue.path[0], issue.message, given))
  if (!parsed.success || problems.length > 0)
    return new ConfigProblems([...problems, ...malformed].toSorted())
  const crossed = contradictions(parsed.data)
  if (crossed.length > 0) return new ConfigProblems(crossed)
  // A boundary: fromEntries forgets that every name is there.
  const origins = Object.fromEntries(
    SETTING_NAMES.map((name) => [name, given.get(name)?.origin ?? 'default']),
  )
  return { ...parsed.data, data: resolve(cwd, parsed.data.data), origins: origins as Config['origins'] }
}

function contradictions(values: SettingValues): string[] {
  if (values.inFlightCap >= values.bodyCap) return []
  return [
    `inFlightCap (${values.inFlightCap}) is less than bodyCap (${values.bodyCap}), wanted room for one body at least`,
  ]
}

/** The value is shown only where it cannot be a secret, not even by mistake. */
function sentence(
  path: PropertyKey | undefined,
  wanted: string,
  given: ReadonlyMap<SettingName, Given>,
): string {
  const name = SETTING_NAMES.find((known) => known === path)
  const set = name === undefined ? undefined : given.get(name)
  if (name === undefined || set === undefined) return `${String(path)} is malformed, wanted ${wanted}`
  const shown =
    SHOWN.has(name) && set.text.length <= SHOWN_CAP ? ` ${JSON.stringify(set.text)}` : ' not in its form'
  return `${set.place} is${shown}, wanted ${wanted}`
}

/** A URL may carry a password where it should not; these are words and numbers. */
const SHOWN: ReadonlySet<SettingName> = new Set(
  SETTING_NAMES.filter((name) => factsOf(name).secret !== true && !name.endsWith('Url')),
)
/** Longer than any well-formed one; a whole file pasted by mistake is not repeated. */
const SHOWN_CAP = 100

export interface SettingRow {
  readonly name: SettingName
  readonly env: string
  /** `[sealed]` for a secret that is set, undefined for a setting that is not. */
  readonly value: string | undefined
  readonly origin: Origin
  readonly reason: string
}

/** What `gatehouse config show` prints: every setting, in the table's order. */
export function describe(config: Config): SettingRow[] {
  return SETTING_NAMES.map((name) => {
    const { env, reason, secret } = factsOf(name)
    const value = config[name]
    const shown = secret === true && value !== undefined ? '[sealed]' : written(value)
    return { name, env, value: shown, origin: config.origins[name], reason }
  })
}

function readWithMode(path: string): ReadFile {
  const { mode, uid } = statSync(path)
  return { text: readFileSync(path, 'utf8'), mode, uid }
}
