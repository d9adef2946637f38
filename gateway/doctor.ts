/**
 * Looks a gate over without starting one. In: settings as a start would get them. Out: what is well, what is doubtful,
 * what would stop or harm it, and the addresses to ask next. Refuses nothing and writes nothing.
 */
import { type ConfigInput, ConfigProblems, loadConfig } from './config.ts'
import { broken, fine, type Symptom } from './doctor-finding.ts'
import { lookAtFolder } from './doctor-folder.ts'
import { lookAtListeners } from './doctor-listen.ts'
import { lookAtRedis, lookAtStore } from './doctor-store.ts'

export interface Examined {
  readonly symptoms: readonly Symptom[]
  /** As set; undefined too when the settings cannot be read. */
  readonly publicUrl: string | undefined
}

export async function examine(input: ConfigInput): Promise<Examined> {
  const config = loadConfig(input)
  if (config instanceof ConfigProblems) {
    const wrong = config.problems.map((problem) =>
      broken(
        'settings',
        problem,
        'the gate does not start before this is mended; see docs/guide/configuration.md',
      ),
    )
    return { symptoms: wrong, publicUrl: undefined }
  }
  const { symptoms, folder } = lookAtFolder(config.data)
  const looked = [
    fine('settings', 'every setting is known and in its form'),
    ...symptoms,
    ...(await lookAtListeners(config)),
    ...(await lookAtStore(config, folder)),
    ...(await lookAtRedis(config)),
  ]
  return { symptoms: looked, publicUrl: config.publicUrl }
}

export { clockSymptom } from './doctor-store.ts'
