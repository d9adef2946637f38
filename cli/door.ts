/**
 * The only place where the command line touches the server. In: a command's wish to run a gate, or to check something
 * without one. Out: the gateway's own functions, loaded at that moment and not before. Refuses what they refuse, as a
 * sentence with an exit code.
 */
import type { AdminNeeds } from '../gateway/admin/needs.ts'
import type { Check } from './source-check.ts'
import type { Explanation } from './source-explain.ts'
import { refused } from './trouble.ts'

type Env = Readonly<Record<string, string | undefined>>

export interface Start {
  /** Settings by their camelCase name; they win over environment and file. */
  readonly argv: Readonly<Record<string, string>>
  readonly env: Env
  readonly cwd: string
}

/** A gate that runs in this process. */
export interface RunningGate {
  readonly publicUrl: string
  readonly adminUrl: string
  /** At the first start only. */
  readonly claim: string | undefined
  /** `signal` is what asked for it, for the log. */
  stop(signal?: string): Promise<void>
}

export async function startGate(options: Start): Promise<RunningGate> {
  const [{ start }, { StartRefused }] = await Promise.all([
    import('../gateway/main.ts'),
    import('../gateway/start-refused.ts'),
  ])
  try {
    return await start(options)
  } catch (cause) {
    if (cause instanceof StartRefused) throw refused(cause.message)
    throw cause
  }
}

/** Every setting as a gate started so would have it. */
export async function settings(options: Start): Promise<readonly Setting[]> {
  const { ConfigProblems, describe, loadConfig } = await import('../gateway/config.ts')
  const config = loadConfig(options)
  if (config instanceof ConfigProblems) throw refused(config.toString())
  return describe(config)
}

export interface Setting {
  readonly name: string
  readonly env: string
  readonly value: string | undefined
  readonly origin: string
  readonly reason: string
}

/** The listener's own way from a recorded request to a verdict. */
export async function recordCheck(): Promise<Check> {
  const { check } = await import('../gateway/ingress/check.ts')
  return check
}

/** The same way once more, with what might have happened to the request. */
export async function recordExplain(): Promise<Explain> {
  const { explain } = await import('../gateway/ingress/explain.ts')
  return explain
}

type Explain = (record: unknown, nowSeconds: number) => Explanation

/** Sample events, signed as their vendors sign them. */
export async function simulation() {
  const { simulate, sampleNames } = await import('../gateway/ingress/simulate.ts')
  return { simulate, sampleNames }
}

/** What a start here would meet, without one. */
export async function examination() {
  const { clockSymptom, examine } = await import('../gateway/doctor.ts')
  return { clockSymptom, examine }
}

export interface Symptom {
  readonly check: string
  readonly state: 'ok' | 'warning' | 'error'
  readonly detail: string
  readonly hint?: string
}

/** What `GET /v1/sources` of a gate of this version answers. */
export async function sources() {
  const [{ listSources }, { SOURCES, sourceNamed }] = await Promise.all([
    import('../gateway/admin/sources.ts'),
    import('../gateway/ingress/sources.ts'),
  ])
  const needs: Pick<AdminNeeds, 'sources'> = { sources: { named: sourceNamed, all: () => SOURCES } }
  // A boundary: listing sources needs nothing else of what an admin API needs.
  return listSources(needs as AdminNeeds)
}
