/**
 * What a test may do when a server it needs is away. In: the server's name and why it is away. Out: a skip with that
 * reason, or a failure when `GATEHOUSE_REQUIRE` (such as `postgres,redis`) names the server. Also notes, in the file
 * `GATEHOUSE_TEST_REPORT`, which servers which test files really used, so that a run in which none asked shows too.
 */
import { appendFileSync } from 'node:fs'

export type Server = 'postgres' | 'redis'

/** The server is away. Tests skip with its message unless the run requires the server. */
export class Absent extends Error {
  override readonly name = 'Absent'
}

/** Whether this run must not skip what needs `server`. */
export function required(server: Server): boolean {
  return (process.env['GATEHOUSE_REQUIRE'] ?? '').split(',').some((name) => name.trim() === server)
}

/** The reason to skip when `error` only says that the server is away; anything else, or a required server, throws. */
export function reasonToSkip(server: Server, error: unknown): string {
  if (!(error instanceof Absent) || required(server)) throw error
  return error.message
}

const said = new Set<Server>()

/** Says, once a process, which server was used. `bin/run.mjs test` says it for the whole run and silences the rest. */
export function announce(server: Server, where: string): void {
  if (said.has(server)) return
  said.add(server)
  const report = process.env['GATEHOUSE_TEST_REPORT']
  if (report !== undefined) appendFileSync(report, `${server} ${process.argv[1] ?? ''}\n`)
  if (process.env['GATEHOUSE_TEST_QUIET'] !== '1')
    process.stderr.write(`gatehouse tests: ${server} ${where}\n`)
}
