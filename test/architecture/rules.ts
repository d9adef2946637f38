/**
 * The arrows and habits of the house as rules over its source. In: files with their imports. Out: for each rule, what breaks
 * it, a line each. Refuses nothing by itself: `architecture.test.ts` holds the tree to them, and shows that each can fail.
 */
import type { Import, SourceFile } from './source-tree.ts'

export interface Rule {
  readonly name: string
  /** One sentence; it is what a person reads when the rule is broken. */
  readonly why: string
  readonly broken: (files: readonly SourceFile[]) => string[]
}

/** Files of the command line that may reach into the gate, and for what. */
const DOORS: Readonly<Record<string, string>> = {
  'cli/door.ts':
    '`gatehouse up`, `demo`, `config show` and `source check` run the gate or its checks in their own process',
}

/** What every room of the gateway may take as a value from outside itself. */
const COMMON_GROUND: Readonly<Record<string, string>> = {
  'gateway/store/': 'the store lies under all rooms',
  'gateway/start-refused.ts': 'one error type ends a start',
  'gateway/secrets/sealed.ts': 'the box that secrets travel in',
  'gateway/audit/append.ts':
    'a mutation and its audit entry are one transaction, so the room that changes must append',
  'gateway/observe/log.ts': 'declared events only',
  'gateway/observe/request-id.ts': 'both listeners name requests alike',
  'gateway/placeholder.ts': 'settings and credentials refuse the same placeholders',
}

/** Single arrows between rooms that are justified: `from → to`. */
const ARROWS: Readonly<Record<string, string>> = {
  'gateway/http → gateway/tokens/verify.ts':
    'the listener turns a bearer token into evidence before any room is asked',
  'gateway/http → gateway/tenants/guard.ts': 'the listener fixes the tenant before any room is asked',
}

/** The admin listener runs the table of routes, and OpenAPI is printed from it. */
const RUNS_THE_TABLE = /^gateway\/http\/\S+ → gateway\/routes\.ts$/

/** Files above the rooms: they know all of them. */
const ABOVE_ROOMS = new Set(['gateway/main.ts', 'gateway/wire.ts', 'gateway/routes.ts'])

const PROOF_MAY_IMPORT = new Set(['node:crypto', 'node:zlib', 'node:buffer'])

/** Names of files, and a folder, that hold a room's judgement. */
const PURE =
  /^gateway\/(?:.*\/)?(?:decide|verify|policy|address|parse|read|schedule)\.ts$|^gateway\/ingress\/sources\//
const IMPURE_MODULES =
  /^node:(?:fs|net|http|https|http2|tls|dns|dgram|child_process|worker_threads|timers|cluster)(?:\/|$)/
const IMPURE_PACKAGES = new Set(['undici', 'pg', 'ioredis', 'kysely', 'hono', 'pino', 'prom-client'])
/** Of modules that are otherwise impure: arithmetic over text. */
const PURE_NAMES = new Set(['isIP', 'isIPv4', 'isIPv6', 'BlockList'])
const IMPURE_CALLS =
  /\b(?:Date\.now|performance\.now|Math\.random|randomBytes|randomUUID|randomInt|setTimeout|setInterval|setImmediate|fetch)\(|new Date\(\)|\bprocess\.\w+/

const VAGUE = new Set([
  'utils',
  'util',
  'helpers',
  'helper',
  'common',
  'manager',
  'service',
  'services',
  'dal',
  'misc',
  'lib',
])

/** Characters; three short sentences have more. */
const HEADER_LEAST = 80

export const RULES: readonly Rule[] = [
  {
    name: 'proof imports nothing but arithmetic',
    why: 'An outsider checks us with proof alone, so it must not bring anything he would have to trust.',
    broken: (files) =>
      arrows(
        within(files, 'proof/'),
        ({ target }) => !target.startsWith('proof/') && !PROOF_MAY_IMPORT.has(target),
      ),
  },
  {
    name: 'contract knows no server',
    why: 'Both sides share the contract, so server code in it would reach every client.',
    broken: (files) =>
      arrows(
        within(files, 'contract/'),
        ({ target }) => !target.startsWith('contract/') && isOurs(target),
      ).concat(
        arrows(
          within(files, 'contract/'),
          ({ target }) => target.startsWith('node:') && target !== 'node:buffer',
        ),
      ),
  },
  {
    name: 'nobody imports the gateway',
    why: 'What speaks to the gate goes through the contract; only `gatehouse up` and the offline checks run its code, through one door.',
    broken: (files) =>
      arrows(
        files.filter(({ path }) => /^(?:proof|contract|cli)\//.test(path) && DOORS[path] === undefined),
        ({ target }) => target.startsWith('gateway/'),
      ),
  },
  {
    name: 'rooms do not import each other',
    why: 'A room says what it needs as an interface and wire.ts brings it, so that each room can be read, tested and replaced alone.',
    broken: (files) => within(files, 'gateway/').flatMap(roomArrows),
  },
  {
    name: 'rooms do not import what stands above them',
    why: 'main, wire and routes know the rooms; an arrow back would make a knot of them.',
    broken: (files) =>
      arrows(
        within(files, 'gateway/').filter(({ path }) => roomOf(path) !== undefined),
        ({ target, typeOnly }) => ABOVE_ROOMS.has(target) && !typeOnly,
      ).filter((arrow) => !RUNS_THE_TABLE.test(arrow)),
  },
  {
    name: 'judgement is pure',
    why: 'A verdict must follow from the facts handed in, or it cannot be tested, replayed or trusted.',
    broken: (files) => files.filter(({ path }) => PURE.test(path)).flatMap(impurities),
  },
  {
    name: 'files say what they are for',
    why: 'A reader learns from the first lines what comes in, what leaves and what is refused.',
    broken: (files) => files.filter(({ text }) => header(text).length < HEADER_LEAST).map(({ path }) => path),
  },
  {
    name: 'names say what a file does',
    why: 'A drawer called utils collects everything and tells nothing.',
    broken: (files) => files.map(({ path }) => path).filter(hasVagueName),
  },
  {
    name: 'the gateway logs declared events only',
    why: 'A console line has no declared fields, and sooner or later one of them is a secret.',
    broken: (files) =>
      within(files, 'gateway/')
        .filter(({ text }) => /\bconsole\.\w+\(/.test(code(text)))
        .map(({ path }) => path),
  },
  {
    name: 'the gateway reads its environment in one place',
    why: 'A setting that config.ts does not know is not checked, not documented and not shown.',
    broken: (files) =>
      within(files, 'gateway/')
        .filter(({ text }) => /\bprocess\.env\b/.test(code(text)))
        .map(({ path }) => path),
  },
]

function within(files: readonly SourceFile[], folder: string): SourceFile[] {
  return files.filter(({ path }) => path.startsWith(folder))
}

function isOurs(target: string): boolean {
  return /^(?:proof|contract|gateway|cli|bench|test)\//.test(target)
}

function arrows(files: readonly SourceFile[], wrong: (imported: Import) => boolean): string[] {
  return files.flatMap(({ path, imports }) =>
    imports.filter(wrong).map(({ target }) => `${path} → ${target}`),
  )
}

/** `gateway/ingress` for a file in it; undefined for files that stand in no room. */
function roomOf(path: string): string | undefined {
  return /^(gateway\/[^/]+)\//.exec(path)?.[1]
}

function roomArrows({ path, imports }: SourceFile): string[] {
  const from = roomOf(path)
  if (from === undefined) return []
  const wrong = imports.filter(({ target, typeOnly }) => {
    const to = roomOf(target)
    const foreign = to !== undefined && to !== from && !typeOnly
    return foreign && !isCommonGround(target) && ARROWS[`${from} → ${target}`] === undefined
  })
  return wrong.map(({ target }) => `${path} → ${target}`)
}

function isCommonGround(target: string): boolean {
  return Object.keys(COMMON_GROUND).some((place) =>
    place.endsWith('/') ? target.startsWith(place) : target === place,
  )
}

function impurities({ path, text, imports }: SourceFile): string[] {
  const modules = imports.filter(({ target, names, typeOnly }) => {
    const impure = IMPURE_MODULES.test(target) || IMPURE_PACKAGES.has(target) || isStateful(target)
    const harmless = names.length > 0 && names.every((name) => PURE_NAMES.has(name))
    return impure && !typeOnly && !harmless
  })
  const call = IMPURE_CALLS.exec(code(text))?.[0]
  const calls = call === undefined ? [] : [`${path}: ${call}`]
  return [...modules.map(({ target }) => `${path} → ${target}`), ...calls]
}

function isStateful(target: string): boolean {
  return target.startsWith('gateway/store/') || target.startsWith('gateway/audit/')
}

/** The comment a file opens with. */
function header(text: string): string {
  return (
    /^(?:#!.*\n)?\/\*\*([\s\S]*?)\*\//
      .exec(text)?.[1]
      ?.replace(/\s*\n \*/g, ' ')
      .trim() ?? ''
  )
}

function hasVagueName(path: string): boolean {
  return path.split('/').some((part) =>
    part
      .replace(/(?:\.test)?\.ts$/, '')
      .split('-')
      .some((word) => VAGUE.has(word)),
  )
}

/** Without comments, which may name what the code must not do. */
function code(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1')
}
