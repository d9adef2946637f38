/**
 * Vendors whose webhooks the gate can prove. In: nothing, or recorded deliveries. Out: what each source needs, or a
 * verdict on each record. Needs no gate: it runs the listener's own code here.
 */
import type { Command } from '../command.ts'
import { recordCheck, sources } from '../door.ts'
import { printPage } from '../print.ts'
import { checkLines } from '../source-check.ts'
import { sourceExplain } from '../source-explain.ts'
import { sourceSimulate } from '../source-simulate.ts'
import { EXIT, usage } from '../trouble.ts'

export const sourceCommands: readonly Command[] = [
  {
    name: 'source list',
    summary: 'List the sources a channel can have, and what each calls its secret',
    example: 'gatehouse source list',
    async run(input, io) {
      printPage(io, input, await sources(), {
        name: (it) => it.name,
        title: (it) => it.title,
        'signs a time': (it) => (it.signsTime ? 'yes' : 'no'),
        'its secret': (it) => it.credential.hint,
      })
      return EXIT.done
    },
  },
  {
    name: 'source check',
    summary: 'Try recorded deliveries against the code that the listener runs',
    takes: [
      { name: 'file', optional: true, help: 'records, one JSON object a line; stdin when - or left out' },
    ],
    options: { jsonl: { help: 'records in and verdicts out as JSON, one a line, same order (needed)' } },
    bare: true,
    example: [
      `echo '{"id":"1","provider":"telegram","secret":"s3cret","body":"{}",`,
      `  "headers":{"x-telegram-bot-api-secret-token":"s3cret"}}' | tr -d '\\n' |`,
      '  gatehouse source check --jsonl',
    ].join('\n'),
    async run(input, io) {
      if (!input.flag('jsonl')) throw usage('source check needs --jsonl', 'see gatehouse help source check')
      await checkLines(io, input.at(0), await recordCheck())
      return EXIT.done
    },
  },
  sourceExplain,
  sourceSimulate,
]
