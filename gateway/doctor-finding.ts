/**
 * What `gatehouse doctor` says of one thing. In: a check's name and what was seen. Out: a line with its state and, unless
 * all is well, what to do. Refuses nothing.
 */

export interface Symptom {
  /** Stable name, such as `data-folder`. */
  readonly check: string
  readonly state: 'ok' | 'warning' | 'error'
  readonly detail: string
  readonly hint?: string
}

export function fine(check: string, detail: string): Symptom {
  return { check, state: 'ok', detail }
}

export function doubtful(check: string, detail: string, hint: string): Symptom {
  return { check, state: 'warning', detail, hint }
}

export function broken(check: string, detail: string, hint: string): Symptom {
  return { check, state: 'error', detail, hint }
}
