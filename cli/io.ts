/**
 * The outside of a command: where it reads and writes. In: streams, environment and folder of the process. Out: the
 * answer on stdout and nothing else there; remarks on stderr, lower case, under the program's name. Refuses to let
 * control characters from elsewhere reach a terminal.
 */
import type { Readable, Writable } from 'node:stream'

export interface Io {
  readonly stdin: Readable & { readonly isTTY?: boolean; setRawMode?(raw: boolean): unknown }
  readonly stdout: Writable & { readonly isTTY?: boolean }
  readonly stderr: Writable & { readonly isTTY?: boolean }
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** Calls back on SIGINT or SIGTERM; the answer takes the listener away again. */
  onStop(listener: (signal: string) => void): () => void
}

export function answer(io: Io, text: string): void {
  io.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
}

export function remark(io: Io, kind: 'error' | 'warning' | 'hint', text: string): void {
  io.stderr.write(`gatehouse: ${kind}: ${plain(lowered(text))}\n`)
}

/** A sentence of the gate's begins small here; `GATEHOUSE_URL` and the like stay as they are. */
function lowered(sentence: string): string {
  return sentence.replace(/^[A-Z](?![A-Z])/, (letter) => letter.toLowerCase())
}

/** Text from a vendor, an app or the gate, made safe for a terminal: control characters show as `\x1b`. */
export function plain(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are the point
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, (character) => {
    const code = character.charCodeAt(0)
    return code > 0xff ? `\\u${code.toString(16)}` : `\\x${code.toString(16).padStart(2, '0')}`
  })
}
