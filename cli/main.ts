/**
 * `gatehouse <noun> <verb>`. In: the words of the command line. Out: an answer on stdout, remarks on stderr, an exit
 * code that tells done, refused, usage, unreachable and verified-false apart. Refuses what `parse.ts` cannot read.
 */
import { Trouble, EXIT, type ExitCode } from './trouble.ts'
import { answer, type Io, remark } from './io.ts'
import { helpPage } from './help.ts'
import { parse } from './parse.ts'
import { TABLE } from './table.ts'

async function run(argv: readonly string[], io: Io): Promise<ExitCode> {
  try {
    const parsed = parse(argv, TABLE)
    if (parsed.wish === 'run') return await parsed.command.run(parsed.input, io)
    answer(io, helpPage(parsed.about, TABLE))
    return EXIT.done
  } catch (cause) {
    return report(io, cause)
  }
}

function report(io: Io, cause: unknown): ExitCode {
  if (!(cause instanceof Trouble)) {
    remark(io, 'error', `unexpected: ${cause instanceof Error ? cause.message : 'something was thrown'}`)
    if (io.env['GATEHOUSE_LOG_LEVEL'] === 'debug' && cause instanceof Error)
      io.stderr.write(`${cause.stack}\n`)
    return EXIT.refused
  }
  for (const line of cause.message.split('\n')) remark(io, 'error', line)
  if (cause.hint !== undefined) remark(io, 'hint', cause.hint)
  return cause.exit
}

/** A reader that has seen enough (`| head`) is no trouble. */
process.stdout.on('error', (cause: NodeJS.ErrnoException) => {
  if (cause.code === 'EPIPE') process.exit(EXIT.done)
  throw cause
})

process.exitCode = await run(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
  onStop(listener) {
    process.once('SIGINT', listener)
    process.once('SIGTERM', listener)
    return () => process.off('SIGINT', listener).off('SIGTERM', listener)
  },
})
