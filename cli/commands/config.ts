/**
 * What a gate started here and now would be set to. In: environment, configuration file, options. Out: every setting
 * with value, origin and reason, secrets as `[sealed]`. Refuses, all at once, settings that would stop a start.
 */
import type { Command } from '../command.ts'
import { type Setting, settings } from '../door.ts'
import { answer } from '../io.ts'
import { EXIT } from '../trouble.ts'

export const configCommands: readonly Command[] = [
  {
    name: 'config show',
    summary: 'Show every setting with its value, where it comes from and why it exists',
    options: { config: { value: 'file', help: 'YAML file with settings, else GATEHOUSE_CONFIG_FILE' } },
    example: 'GATEHOUSE_LOG_LEVEL=debug gatehouse config show',
    async run(input, io) {
      const configFile = input.text('config')
      const argv = configFile === undefined ? {} : { configFile }
      const items = await settings({ argv, env: io.env, cwd: io.cwd })
      answer(
        io,
        input.flag('json') ? JSON.stringify({ items: items.map(whole) }) : items.map(lines).join('\n'),
      )
      return EXIT.done
    },
  },
]

/** Every field is there, so that a reader of the JSON need not ask. */
function whole({
  value = null,
  ...rest
}: Omit<Setting, 'value'> & { readonly value?: string | null | undefined }) {
  return { ...rest, value }
}

function lines(setting: Setting): string {
  return `${setting.name} = ${setting.value ?? '(not set)'}  [${setting.origin}]\n    ${setting.reason}`
}
