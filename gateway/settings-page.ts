/**
 * The page about settings, from their table. In: nothing. Out: Markdown for `docs/guide/configuration.md`. Refuses nothing;
 * a test fails when the page and the table differ.
 */
import { factsOf, SETTING_NAMES, type SettingFacts } from './settings.ts'

const HEAD = `# Configuration

<!-- Printed from gateway/settings.ts by \`npm run docs\`; a test holds the two together. -->

A gate needs no settings to start. Each can be set, the nearer before the farther, as

1. an option of \`gatehouse up\`, where there is one (\`gatehouse up --help\`),
2. an environment variable,
3. a line \`name: value\` in a YAML file: the one that \`GATEHOUSE_CONFIG_FILE\` or \`--config\` names, else \`./gatehouse.yaml\`.

Relative paths start at the folder the gate is started in. An empty variable counts as not set. A gate with an unknown
or malformed setting does not start; it says all that is wrong at once and never repeats a secret. \`gatehouse config show\`
prints what a gate started here would be set to, with the origin of each value.

## Secrets

A setting marked _secret_ is also taken from a file: append \`_FILE\` to the variable or \`File\` to the YAML name. The file
must belong to whoever runs the gate and be readable by no one else (\`chmod 600\`); a file of another owner, as container
platforms mount them, may be readable by the gate's group. The same holds for a YAML file that contains a secret.
Placeholders such as \`changeme\` or \`\${PASSWORD}\` are refused.

## Settings

`

const TAIL = `
## Variables of the command line and of tests

\`GATEHOUSE_URL\`, \`GATEHOUSE_TOKEN\` and \`GATEHOUSE_TOKEN_FILE\` tell the command line which gate to talk to and as whom.
\`GATEHOUSE_TEST_*\`, \`GATEHOUSE_VECTORS\` and \`GATEHOUSE_REQUIRE\` belong to test runs: \`GATEHOUSE_TEST_DATABASE_URL\` and
\`GATEHOUSE_TEST_REDIS_URL\` name servers to test against, \`GATEHOUSE_REQUIRE=postgres,redis\` makes their absence a failure.
A gate ignores all of these and refuses every other \`GATEHOUSE_\` variable that is not in the table above.
`

export function settingsPage(): string {
  return HEAD + SETTING_NAMES.map((name) => section(factsOf(name))).join('\n') + TAIL
}

function section({ name, env, reason, form, secret, default: given }: SettingFacts): string {
  const kind = secret === true ? `${form}. _Secret_: also \`${env}_FILE\`, \`${name}File\`` : form
  const fallback = given === undefined ? 'not set' : given === '' ? 'none' : `\`${given}\``
  return `### \`${env}\`

${reason}

- YAML: \`${name}\`
- Form: ${kind}
- Default: ${fallback}
`
}
