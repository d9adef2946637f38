/**
 * What goes wrong on the command line, as one type. In: a sentence, an exit code, perhaps a hint. Out: an error that
 * `main.ts` prints as `gatehouse: error: …`. Refuses nothing itself; whoever throws it has refused.
 */

/** Few and written down (`docs/guide/cli.md`), so that a script can tell them apart. */
export const EXIT = { done: 0, refused: 1, usage: 2, unreachable: 3, verifiedFalse: 4 } as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

export class Trouble extends Error {
  override readonly name = 'Trouble'
  readonly exit: ExitCode
  readonly hint: string | undefined

  constructor(exit: ExitCode, message: string, hint?: string) {
    super(message)
    this.exit = exit
    this.hint = hint
  }
}

export function usage(message: string, hint?: string): Trouble {
  return new Trouble(EXIT.usage, message, hint)
}

export function refused(message: string, hint?: string): Trouble {
  return new Trouble(EXIT.refused, message, hint)
}
