/**
 * Writes declared events as JSON lines. In: an event and its fields. Out: one line on stderr. Refuses, by leaving it out,
 * every field that the table does not declare; text is cut and made visible, faults lose their message.
 */
import { pino } from 'pino'
import { type FieldKind, LOG_EVENTS, type LogEvents, type LogLevel } from './log-events.ts'

/** UTF-16 units of one field; ids and reasons are far shorter, and a log line must not be a place to store things. */
const TEXT_CAP = 256
/** Frames of a fault's stack: enough to find the place. */
const FRAMES = 8

export interface Log {
  emit<E extends keyof LogEvents>(event: E, fields: LogEvents[E]): void
}

export interface LogOptions {
  readonly level: LogLevel
  /** Takes whole lines; stderr when left out. */
  readonly write?: (line: string) => void
  /** Unix milliseconds. */
  readonly clock?: () => number
}

export function createLog({ level, write, clock = Date.now }: LogOptions): Log {
  // Synchronous: what is logged before a crash is there after it.
  const destination = write === undefined ? pino.destination({ fd: 2, sync: true }) : { write }
  const logger = pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date(clock()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  )
  return {
    emit(event, fields) {
      const declared = LOG_EVENTS[event]
      if (!logger.isLevelEnabled(declared.level)) return
      logger[declared.level]({ event, ...stripped(declared.fields, fields) })
    },
  }
}

function stripped(declared: Readonly<Record<string, FieldKind>>, fields: object): Record<string, unknown> {
  const line: Record<string, unknown> = {}
  for (const [name, kind] of Object.entries(declared)) {
    const value: unknown = Object.hasOwn(fields, name) ? Reflect.get(fields, name) : undefined
    if (value !== undefined) line[name] = shown(kind, value)
  }
  return line
}

function shown(kind: FieldKind, value: unknown): unknown {
  switch (kind) {
    case 'number':
    case 'number?':
      return typeof value === 'number' ? value : undefined
    case 'boolean':
      return value === true
    case 'fault':
      return faultOf(value)
    case 'path':
      return visible(String(value).split('?', 1)[0] ?? '')
    case 'text':
    case 'text?':
      return visible(String(value))
  }
}

/** Control characters and those that turn text around: no sender draws on an operator's terminal. */
// oxlint-disable-next-line no-control-regex -- control characters are the point
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

function visible(text: string): string {
  const cut = text.length > TEXT_CAP ? `${text.slice(0, TEXT_CAP)}…` : text
  return cut.replace(UNSEEN, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

interface Fault {
  readonly name: string
  readonly code?: string
  readonly at: readonly string[]
  readonly cause?: Fault
}

/** Not its message: errors of drivers and parsers quote rows, URLs and bodies. */
function faultOf(thrown: unknown, depth = 0): Fault {
  if (!(thrown instanceof Error)) return { name: `thrown ${typeof thrown}`, at: [] }
  const code: unknown = Reflect.get(thrown, 'code')
  const inner = thrown.cause !== undefined && depth < 3 ? faultOf(thrown.cause, depth + 1) : undefined
  return {
    name: visible(thrown.name),
    ...(typeof code === 'string' && { code: visible(code) }),
    at: frames(thrown.stack ?? '', thrown.message),
    ...(inner !== undefined && { cause: inner }),
  }
}

/** A message with line breaks must not pass for frames, so it is cut off before they are looked for. */
function frames(stack: string, message: string): string[] {
  const rest = stack.includes(message) ? stack.slice(stack.indexOf(message) + message.length) : ''
  const found = rest.split('\n').filter((line) => /^ {4}at [^?]*:\d+:\d+\)?$/.test(line))
  return found.slice(0, FRAMES).map((line) => visible(line.slice(7)))
}
