/**
 * Text that must not be seen by accident. In: a secret. Out: a box that prints as `[sealed]` wherever values get printed,
 * and gives its text only to who asks by name. Refuses nothing; it guards against slips, not against the code around it.
 */
import { inspect } from 'node:util'

const SEALED = '[sealed]'

export class Secret {
  readonly #text: string

  private constructor(text: string) {
    this.#text = text
  }

  static of(text: string): Secret {
    return new Secret(text)
  }

  /** The secret itself: for the one place that uses it, never to keep. */
  reveal(): string {
    return this.#text
  }

  toString(): string {
    return SEALED
  }

  toJSON(): string {
    return SEALED
  }

  [inspect.custom](): string {
    return SEALED
  }
}
