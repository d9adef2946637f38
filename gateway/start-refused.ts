/**
 * Why the gate will not start: a stable code and one sentence that says what to do. `gatehouse up` prints the sentence
 * and leaves with exit code 1.
 */
export class StartRefused extends Error {
  override readonly name = 'StartRefused'
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}
