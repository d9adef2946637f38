/**
 * As much of a Dockerfile as the shipped one has, carried out by hand where there is no Docker. In: the file, the ignore
 * file beside it, a repository. Out: a folder as the image's `/app` would be, and how it is started. Refuses, by throwing,
 * an instruction it does not know: what is not carried out must not seem to be.
 */
import { cpSync, globSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'

export interface Instruction {
  readonly verb: string
  readonly rest: string
}

export interface Stage {
  readonly from: string
  readonly name: string | undefined
  readonly steps: readonly Instruction[]
}

const KNOWN = new Set([
  'ARG',
  'CMD',
  'COPY',
  'ENTRYPOINT',
  'ENV',
  'EXPOSE',
  'FROM',
  'HEALTHCHECK',
  'RUN',
  'STOPSIGNAL',
  'USER',
  'VOLUME',
  'WORKDIR',
])

export function stagesOf(text: string): readonly Stage[] {
  const lines = text
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .join('\n')
    .replaceAll('\\\n', ' ')
    .split('\n')
  const stages: { from: string; name: string | undefined; steps: Instruction[] }[] = []
  for (const line of lines) {
    const [, verb = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? []
    if (!KNOWN.has(verb)) throw new Error(`read the Dockerfile: ${line} is not known here`)
    const [, from = '', name] = /^(\S+)(?:\s+AS\s+(\S+))?$/i.exec(rest) ?? []
    if (verb === 'FROM') stages.push({ from, name, steps: [] })
    else stages.at(-1)?.steps.push({ verb, rest })
  }
  return stages
}

/** Values of `ENV` lines, the last of a name. */
export function environmentOf({ steps }: Stage): Readonly<Record<string, string>> {
  const pairs = steps.flatMap(({ verb, rest }): [string, string][] => {
    const at = rest.indexOf('=')
    return verb === 'ENV' ? [[rest.slice(0, at), rest.slice(at + 1)]] : []
  })
  return Object.fromEntries(pairs)
}

/** The JSON list of an `ENTRYPOINT`, `CMD` or `HEALTHCHECK … CMD`. */
export function listOf({ steps }: Stage, verb: string): readonly string[] {
  const rest = steps.findLast((step) => step.verb === verb)?.rest ?? ''
  // A boundary: JSON in a file of ours.
  return JSON.parse(rest.slice(rest.indexOf('['))) as string[]
}

/** Carries out a `COPY` from the context; what the ignore file leaves out is not there to be copied. */
export function copy(rest: string, root: string, app: string, ignored: (path: string) => boolean): void {
  const words = rest.split(/\s+/).filter((word) => !word.startsWith('--'))
  const target = words.pop() ?? ''
  for (const word of words) {
    const from = join(root, word)
    const isFolder = statSync(from).isDirectory()
    const to = join(
      app,
      target.endsWith('/') || target === './'
        ? join(target, isFolder ? '' : (word.split('/').at(-1) ?? ''))
        : target,
    )
    const files = isFolder ? globSync('**/*', { cwd: from }).map((file) => join(word, file)) : [word]
    for (const file of files) {
      if (ignored(file) || statSync(join(root, file)).isDirectory()) continue
      const place = isFolder ? join(to, file.slice(word.length + 1)) : to
      mkdirSync(dirname(place), { recursive: true })
      cpSync(join(root, file), place)
    }
  }
}

/** As Docker reads it: the last line that matches a path, or a folder above it, decides. */
export function ignoredBy(file: string): (path: string) => boolean {
  const rules = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => ({ keeps: line.startsWith('!'), pattern: patternOf(line.replace(/^!/, '')) }))
  return (path) => {
    const parts = path.split('/')
    const above = parts.map((_, i) => parts.slice(0, i + 1).join('/'))
    let is = false
    for (const { keeps, pattern } of rules) if (above.some((one) => pattern.test(one))) is = !keeps
    return is
  }
}

/** Unlike a shell's, Docker's `*` takes names that begin with a full stop. */
function patternOf(glob: string): RegExp {
  const parts = glob.split('**/').map((part) =>
    part
      .split('*')
      .map((text) => RegExp.escape(text))
      .join('[^/]*'),
  )
  return new RegExp(`^${parts.join('(?:.*/)?')}$`)
}
