/**
 * Fires bent requests at a running gate. In: a house, how many, and a seed. Out: how often each status came. Refuses any
 * answer of the 500s, a request that is whole and gets none, one that takes too long, and a gate that is not well after.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { createConnection } from 'node:net'
import { type House, openLine } from '../support/ingress.ts'
import { type Aim, mutated, type Shot } from './mutated.ts'
import { SOURCE_NAMES, vendor } from './vendors.ts'

/** Requests in flight at once. */
const AT_ONCE = 25
/** Milliseconds; an answer takes a few, on a busy machine some hundred. */
const PATIENCE = 8_000
/** Milliseconds after which we hang up on a request that is not whole, as its sender would. */
const HANG_UP = 40

export interface Bombarded {
  readonly sent: number
  /** By status; 0 where the request was not whole and none came. */
  readonly statuses: ReadonlyMap<number, number>
}

export async function bombard(house: House, count: number, seed: number): Promise<Bombarded> {
  const statuses = new Map<number, number>()
  const aims = await aimsOf(house)
  const volley = fc.array(mutated(aims), { minLength: AT_ONCE, maxLength: AT_ONCE, size: 'max' })
  const runs = Math.ceil(count / AT_ONCE)
  const property = fc.asyncProperty(volley, async (shots) => {
    for (const status of await Promise.all(shots.map((shot) => fire(house.gate.publicUrl, shot)))) {
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  })
  await fc.assert(property, { seed, numRuns: runs, endOnFailure: count > 10_000 })
  await isWell(house, aims)
  return { sent: runs * AT_ONCE, statuses }
}

async function aimsOf(house: House): Promise<readonly Aim[]> {
  const aims: Aim[] = []
  for (const name of SOURCE_NAMES) {
    const from = vendor(name)
    const settings = from.settings === undefined ? {} : { settings: from.settings }
    aims.push({ from, line: await openLine(house, name, from.secret, settings) })
  }
  return aims
}

/** The status of the first answer, or 0. */
async function fire(url: string, { bytes, isWhole }: Shot): Promise<number> {
  const { hostname, port } = new URL(url)
  const text = await new Promise<string>((resolve, reject) => {
    const socket = createConnection({ host: hostname, port: Number(port) })
    const late = setTimeout(() => {
      socket.destroy()
      reject(new Error(`no end after ${PATIENCE} ms: ${shown(bytes)}`))
    }, PATIENCE)
    let got = ''
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => (got += chunk.toString('latin1')))
    socket.once('connect', () => {
      socket.write(bytes)
      if (!isWhole) setTimeout(() => socket.end(), HANG_UP)
    })
    socket.once('close', () => {
      clearTimeout(late)
      resolve(got)
    })
  })
  const status = Number(
    /^HTTP\/1\.1 (\d{3}) /.exec(text.replace(/^HTTP\/1\.1 100 [^]*?\r\n\r\n/, ''))?.[1] ?? 0,
  )
  assert.ok(status < 500, `${status}: ${shown(bytes)}`)
  assert.ok(status !== 0 || !isWhole, `no answer: ${shown(bytes)}`)
  return status
}

function shown(bytes: Buffer): string {
  return JSON.stringify(bytes.subarray(0, 2_000).toString('latin1'))
}

/** Alive, quiet, and still taking what is genuine. */
async function isWell({ gate, admin }: House, aims: readonly Aim[]): Promise<void> {
  process.kill(gate.pid, 0)
  assert.doesNotMatch(gate.log(), /"level":"(error|fatal)"/)
  assert.equal((await admin.readReadiness()).ready, true)
  for (const { from, line } of aims) {
    const { headers, body } = from.says({ n: 2_000_000 })
    const answer = await fetch(gate.publicUrl + line.path, { method: 'POST', headers, body })
    assert.equal(answer.status, from.ack, from.source)
  }
}
