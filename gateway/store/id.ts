/**
 * Ids that sort by age. In: a prefix that says what the thing is, and the time. Out: the prefix and 26 lower-case
 * Crockford characters: 48 bits of milliseconds, 80 bits of randomness. Refuses nothing; two ids of one millisecond
 * from one process still sort in the order they were made.
 */
import { randomFillSync } from 'node:crypto'

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
/** Random bytes are drawn many at a time: one system call serves a few hundred ids. */
const POOL_BYTES = 4096

export type Prefix = 'ten_' | 'chn_' | 'crd_' | 'sub_' | 'dlv_' | 'dsp_' | 'tok_' | 'ref_' | 'rpl_'

/** Makes ids. Keeps the last one made, so that ids of one millisecond count upwards. */
export class Ids {
  readonly #pool = Buffer.allocUnsafe(POOL_BYTES)
  #used = POOL_BYTES
  #lastTime = 0
  #lastRandom = 0n

  next(prefix: Prefix, now: number): string {
    // A clock that steps back keeps the last time, so order never breaks within a process.
    const time = Math.max(now, this.#lastTime)
    this.#lastRandom = time === this.#lastTime ? this.#lastRandom + 1n : this.#draw()
    this.#lastTime = time
    return prefix + encode(BigInt(time), 10) + encode(this.#lastRandom, 16)
  }

  #draw(): bigint {
    if (this.#used + 10 > POOL_BYTES) {
      randomFillSync(this.#pool)
      this.#used = 0
    }
    const high = this.#pool.readUInt16BE(this.#used)
    const low = this.#pool.readBigUInt64BE(this.#used + 2)
    this.#used += 10
    // The top bit stays clear, so counting upwards within a millisecond never wraps.
    return (BigInt(high & 0x7fff) << 64n) | low
  }
}

const shared = new Ids()

/** An id from the process's one maker. */
export function newId(prefix: Prefix, now: number): string {
  return shared.next(prefix, now)
}

/** Below every id made at `time` or later, and above those made before. */
export function firstIdAt(prefix: Prefix, time: number): string {
  return prefix + encode(BigInt(Math.max(0, Math.trunc(time))), 10)
}

/** The milliseconds that an id, after its four characters of prefix, begins with. */
export function timeOf(id: string): number {
  return Array.from(id.slice(4, 14)).reduce((time, digit) => time * 32 + ALPHABET.indexOf(digit), 0)
}

function encode(value: bigint, length: number): string {
  let text = ''
  for (let left = value, i = 0; i < length; i++, left >>= 5n) text = ALPHABET[Number(left & 31n)] + text
  return text
}
