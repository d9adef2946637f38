/**
 * One shape on a bare socket. In: its segments. Out: the statuses heard in order, and whether the other side closed.
 * Refuses nothing; what a connection is good for afterwards is found out by asking for health on it.
 */
import { once } from 'node:events'
import { createConnection } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { Shape } from './shapes.ts'

/** Milliseconds between segments, so that they arrive as such. */
const BETWEEN = 30
/** Milliseconds; a loaded machine takes a while, a hang takes for ever. */
const PATIENCE = 15_000

export interface Heard {
  readonly statuses: readonly number[]
  readonly text: string
  /** The other side ended the connection before it was asked for anything more. */
  readonly closed: boolean
  /** A request for health behind it was answered. */
  readonly goesOn: boolean
}

export async function play(url: string, { bytes, hears, goesOn, ends }: Shape): Promise<Heard> {
  const { hostname, port } = new URL(url)
  const socket = createConnection({ host: hostname, port: Number(port), allowHalfOpen: true })
  let text = ''
  let isOver = false
  socket.on('error', () => (isOver = true))
  socket.on('end', () => (isOver = true))
  socket.on('close', () => (isOver = true))
  socket.on('data', (chunk) => (text += chunk.toString('latin1')))
  await once(socket, 'connect')
  for (const [i, segment] of bytes.entries()) {
    if (i > 0) await until(() => isOver || text !== '', hears[0] === 100 ? PATIENCE : BETWEEN)
    if (!socket.destroyed) socket.write(segment, 'latin1')
  }
  if (ends === true) socket.end()
  await until(() => isOver || (goesOn === true && statusesOf(text).length >= hears.length), PATIENCE)
  const closed = isOver
  const answers = statusesOf(text)
  if (!closed) socket.write('GET /healthz HTTP/1.1\r\nhost: gate\r\n\r\n')
  const isWell =
    !closed &&
    (await until(() => text.endsWith('\r\nok\n\r\n0\r\n\r\n') || text.endsWith('\r\n\r\nok\n'), PATIENCE))
  socket.destroy()
  return { statuses: answers, text, closed, goesOn: isWell }
}

/** What is wrong with what was heard, or undefined. */
export function wrong(shape: Shape, heard: Heard): string | undefined {
  const { name, hears, goesOn = false } = shape
  const wanted = `${hears.join(' ')}${goesOn ? ', and to go on' : ', and the end'}`
  const got = `${heard.statuses.join(' ')}${heard.goesOn ? ', and goes on' : heard.closed ? ', and the end' : ', and hangs'}`
  const isFine = hears.join() === heard.statuses.join() && heard.closed !== goesOn && heard.goesOn === goesOn
  return isFine
    ? undefined
    : `${name}: heard ${got}; wanted ${wanted}\n${JSON.stringify(heard.text.slice(0, 600))}`
}

/** Of answers in a row: bodies here never begin a line with a status line. */
export function statusesOf(text: string): readonly number[] {
  return [...text.matchAll(/^HTTP\/1\.1 (\d{3}) |(?<=[\n}])HTTP\/1\.1 (\d{3}) /gm)].map(([, a, b]) =>
    Number(a ?? b),
  )
}

async function until(is: () => boolean, patience: number): Promise<boolean> {
  for (const end = performance.now() + patience; performance.now() < end; await pause(3))
    if (is()) return true
  return is()
}
