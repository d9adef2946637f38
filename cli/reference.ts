/**
 * `docs/guide/cli.md`, from the table. In: the commands. Out: the whole page in Markdown, as the formatter leaves it.
 * Refuses nothing; a test fails when the page and the table differ.
 */
import type { Command } from './command.ts'
import { optionLines, usageOf } from './help.ts'

export function referencePage(table: readonly Command[]): string {
  return `${[OPENING, ...table.map(section)].join('\n')}`
}

function section(command: Command): string {
  const takes = (command.takes ?? []).map((argument) => [`<${argument.name}>`, argument.help] as const)
  const rows = [...takes, ...optionLines(command)].map(([name, text]) => [`\`${name}\``, text] as const)
  const options = rows.length > 0 ? [markdownTable([['', ''], ...rows]), ''] : []
  return [
    `## ${command.name}`,
    '',
    `${command.summary}.`,
    '',
    `\`gatehouse ${usageOf(command)}\``,
    '',
    ...options,
    '```sh',
    command.example,
    '```',
    '',
  ].join('\n')
}

/** Two columns, padded; the first row is the head. */
function markdownTable(rows: readonly (readonly [string, string])[]): string {
  const left = Math.max(3, ...rows.map(([name]) => name.length))
  const right = Math.max(3, ...rows.map(([, text]) => text.length))
  const [head, ...body] = rows.map(([name, text]) => `| ${name.padEnd(left)} | ${text.padEnd(right)} |`)
  return [head, `| ${'-'.repeat(left)} | ${'-'.repeat(right)} |`, ...body].join('\n')
}

const EXIT_CODES = markdownTable([
  ['exit code', 'meaning'],
  ['0', 'done'],
  ['1', 'refused: by the gate, or because what was asked cannot be done'],
  ['2', 'usage: the command line cannot be read'],
  ['3', 'unreachable: no gate answers at that address'],
  ['4', 'verified false: a check ran to its end and says no'],
])

const VARIABLES = markdownTable([
  ['variable', 'meaning'],
  ['`GATEHOUSE_URL`', 'admin address of the gate, else `http://127.0.0.1:8081`; `--url` goes before it'],
  ['`GATEHOUSE_TOKEN`', 'token to use instead of the one that `gatehouse claim` stored'],
  ['`GATEHOUSE_TOKEN_FILE`', 'file that holds such a token'],
  ['`XDG_CONFIG_HOME`', 'where `gatehouse/credentials.json` (0600) lies, else `~/.config`'],
])

const OPENING = `# Command line

<!-- Printed from cli/table.ts by \`npm run docs\`; a test holds the two together. -->

\`gatehouse <noun> <verb>\`; from the repository \`npx gatehouse <noun> <verb>\`. The answer is on stdout; everything else is on
stderr, as \`gatehouse: error: …\`, \`gatehouse: warning: …\` or \`gatehouse: hint: …\`. With \`--json\` the answer is one line of
JSON whose fields only ever grow. \`gatehouse help <noun> <verb>\` shows what stands here.

${EXIT_CODES}

${VARIABLES}

Secrets are never arguments, where every other program on the machine could read them: \`--value-file <path>\` reads a file,
\`--value-file -\` reads stdin, and on a terminal a command that needs one asks for it without showing it.
`
