/**
 * One channel flooded beside another. In: a house, rates and lengths. Out: the quiet channel's stream alone and beside the
 * flood, and what the flood heard. Refuses nothing; who calls it judges.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { House } from '../support/ingress.ts'
import { openLine } from '../support/ingress.ts'
import { SETTINGS, type Stream, stream } from './load.ts'

const SECRET = 'the secret of a channel in a test'

export interface Flooded {
  readonly alone: Stream
  readonly beside: Stream
  /** Signed wrongly. */
  readonly forged: Stream
  /** Signed well, and far over the channel's rate. */
  readonly over: Stream
}

export interface Rates {
  /** Deliveries a second on the quiet channel. */
  readonly quiet: number
  /** Requests a second of each flood. */
  readonly flood: number
  readonly ms: number
}

export async function flood(house: House, { quiet, flood: rate, ms }: Rates): Promise<Flooded> {
  const url = async (): Promise<string> =>
    house.gate.publicUrl + (await openLine(house, 'generic-hmac', SECRET, { settings: SETTINGS })).path
  const [calm, loud] = [await url(), await url()]
  const still = { url: calm, secret: SECRET, rate: quiet }
  const [alone] = await during(ms, (stop) => [stream({ ...still, name: 'alone' }, stop)])
  const [beside, forged, over] = await during(ms, (stop) => [
    stream({ ...still, name: 'beside' }, stop),
    stream({ url: loud, secret: SECRET, rate, forged: true, name: 'forged', open: 32 }, stop),
    stream({ url: loud, secret: SECRET, rate, name: 'over', open: 32 }, stop),
  ])
  if (!alone || !beside || !forged || !over) throw new Error('flood: a stream is missing')
  return { alone, beside, forged, over }
}

async function during(ms: number, start: (stop: AbortSignal) => Promise<Stream>[]): Promise<Stream[]> {
  const stop = new AbortController()
  const streams = start(stop.signal)
  await pause(ms)
  stop.abort()
  return await Promise.all(streams)
}
