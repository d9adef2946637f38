/**
 * Tries recorded deliveries against the code the listener runs, with no gate and no network. In: one record as JSON a
 * line. Out: one verdict a line, in the same order. A line that is no record is a verdict too: `bad-record`.
 */
import { createReadStream } from 'node:fs'
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Io } from './io.ts'
import { linesOf } from './lines.ts'
import { refused } from './trouble.ts'

/** Bytes; the largest body any source takes, in base64, with room for the rest of its record. */
const LINE_CAP = 64 * 1024 * 1024

export interface Verdict {
  readonly id: string | null
  readonly verdict: 'accept' | 'reject'
  readonly reason: string
}

/** `nowSeconds` stands in where a record has no time of its own. */
export type Check = (record: unknown, nowSeconds: number) => Verdict

const BAD_RECORD: Verdict = { id: null, verdict: 'reject', reason: 'bad-record' }

/** Reads `file`, or stdin for `-` or nothing, to its end. */
export async function checkLines(io: Io, file: string | undefined, check: Check): Promise<void> {
  for await (const line of linesOf(await bytesOf(io, file), LINE_CAP)) {
    if (line !== undefined && line.every(isBlank)) continue
    const verdict = line === undefined ? BAD_RECORD : checkLine(line, check)
    if (!io.stdout.write(`${JSON.stringify(verdict)}\n`)) await once(io.stdout, 'drain')
  }
}

async function bytesOf(io: Io, file: string | undefined): Promise<AsyncIterable<Uint8Array>> {
  if (file === undefined || file === '-') return io.stdin
  const path = resolve(io.cwd, file)
  try {
    const handle = await open(path)
    return createReadStream(path, { fd: handle })
  } catch (cause) {
    throw refused(
      `read ${path}: ${cause instanceof Error && 'code' in cause ? String(cause.code) : 'failed'}`,
    )
  }
}

function checkLine(line: Buffer, check: Check): Verdict {
  const record = parseRecord(line)
  if (record === undefined) return BAD_RECORD
  try {
    return check(record, Date.now() / 1000)
  } catch {
    // No verdict is a refusal: whatever failed has not proved the sender.
    return { id: idOf(record), verdict: 'reject', reason: 'check-failed' }
  }
}

function parseRecord(line: Buffer): object | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(line))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}

function idOf(record: object): string | null {
  return 'id' in record && typeof record.id === 'string' ? record.id : null
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0d
}
