/**
 * Reads a request's body, bounded in size, in speed and in what all bodies together may hold. In: a request. Out: its
 * raw bytes. Refuses a body over the cap (before it is read when it is declared, and at the first byte over otherwise),
 * one that comes slower than the floor, and any once the bytes in flight reach their cap.
 */
import type { IncomingMessage } from 'node:http'
import { Chunks } from './chunks.ts'

/** The floor is asked each so often: `slowBodyFloor` bytes must have come since the last time. */
const FLOOR_WINDOW_MS = 10_000

export type RawRefusal = 'length-required' | 'too-large' | 'slow-body' | 'unavailable' | 'gone'

export interface RawLimits {
  /** Largest body, bytes. */
  readonly bodyCap: number
  /** Bytes of all bodies held at once. */
  readonly inFlightCap: number
  /** Bytes that a body must bring each ten seconds. */
  readonly slowBodyFloor: number
}

interface Reading {
  bytes: number
  /** Undefined until the first look: a body gets a whole window before it is judged. */
  bytesAtLastLook: number | undefined
  refuse(refusal: RawRefusal): void
}

export class RawBodies {
  readonly #limits: RawLimits
  readonly #readings = new Set<Reading>()
  readonly #timer: NodeJS.Timeout
  readonly #asks = new WeakMap<IncomingMessage, () => void>()
  #held = 0

  constructor(limits: RawLimits) {
    this.#limits = limits
    this.#timer = setInterval(() => this.#lookForSlowOnes(), FLOOR_WINDOW_MS)
    this.#timer.unref()
  }

  /** Bytes of bodies in flight: from their first byte until `release`. */
  get held(): number {
    return this.#held
  }

  /** The sender waits to be asked for its body (RFC 9110 section 10.1.1): `ask` is called once the head is not refused. */
  waitsToBeAsked(request: IncomingMessage, ask: () => void): void {
    this.#asks.set(request, ask)
  }

  /** Reads a whole body. Whoever gets bytes gives them back with `release` once the answer is out. */
  async read(request: IncomingMessage): Promise<Buffer | RawRefusal> {
    const refusal = this.#refusedByHead(request)
    if (refusal !== undefined) return refusal
    this.#asks.get(request)?.()
    return await this.#collect(request)
  }

  release(bytes: number): void {
    this.#held -= bytes
  }

  close(): void {
    clearInterval(this.#timer)
  }

  /** What the head alone decides; nothing has been read yet. */
  #refusedByHead(request: IncomingMessage): RawRefusal | undefined {
    const { 'content-length': length, 'transfer-encoding': encoding } = request.headers
    if (length === undefined && encoding === undefined) return 'length-required'
    const declared = Number(length ?? 0)
    if (declared > this.#limits.bodyCap) return 'too-large'
    return this.#held + declared > this.#limits.inFlightCap ? 'unavailable' : undefined
  }

  #collect(request: IncomingMessage): Promise<Buffer | RawRefusal> {
    return new Promise((resolve) => {
      const chunks = new Chunks()
      const reading: Reading = { bytes: 0, bytesAtLastLook: undefined, refuse: (refusal) => settle(refusal) }
      const settle = (outcome: Buffer | RawRefusal): void => {
        if (!this.#readings.delete(reading)) return
        request.off('data', take)
        if (typeof outcome === 'string') this.#held -= reading.bytes
        resolve(outcome)
      }
      const take = (chunk: Buffer): void => {
        reading.bytes += chunk.length
        this.#held += chunk.length
        if (reading.bytes > this.#limits.bodyCap) return settle('too-large')
        if (this.#held > this.#limits.inFlightCap) return settle('unavailable')
        chunks.add(chunk)
      }
      this.#readings.add(reading)
      request.on('data', take)
      request.once('end', () => settle(chunks.joined()))
      request.once('error', () => settle('gone'))
      request.once('close', () => settle('gone'))
    })
  }

  #lookForSlowOnes(): void {
    for (const reading of this.#readings) {
      const before = reading.bytesAtLastLook
      reading.bytesAtLastLook = reading.bytes
      if (before !== undefined && reading.bytes - before < this.#limits.slowBodyFloor)
        reading.refuse('slow-body')
    }
  }
}
