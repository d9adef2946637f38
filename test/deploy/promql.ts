/**
 * As much of PromQL as the shipped alerts use, so that they are tested where promtool is not installed. In: an expression,
 * series with a sample a minute, a minute. Out: a number or labelled numbers. Refuses, by throwing, whatever it does not
 * know: an alert that needs more than this is no reason to guess. `increase` does not extrapolate, which promtool does.
 */

export type Labels = Readonly<Record<string, string>>

export interface Series {
  readonly name: string
  readonly labels: Labels
  /** One a minute from minute 0; undefined where there is none. */
  readonly values: readonly (number | undefined)[]
}

export interface Sample {
  readonly labels: Labels
  readonly value: number
}

type Value = number | readonly Sample[]

/** Minutes that an instant looks back. */
const LOOKBACK = 5

const TOKEN =
  /\s*("(?:[^"\\]|\\.)*"|\d+(?:\.\d+)?[smhd]?|[a-zA-Z_:][a-zA-Z0-9_:]*|=~|!~|!=|==|>=|<=|[><=*/+(){}[\],-])/y
const AGGREGATIONS: Readonly<Record<string, (values: readonly number[]) => number>> = {
  sum: (values) => values.reduce((total, one) => total + one, 0),
  max: (values) => Math.max(...values),
  min: (values) => Math.min(...values),
}
const RANGED: Readonly<Record<string, (values: readonly number[], seconds: number) => number>> = {
  increase: (values) => rise(values),
  rate: (values, seconds) => rise(values) / seconds,
  changes: (values) => values.filter((value, i) => i > 0 && value !== values[i - 1]).length,
}
const COMPARISONS: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '>': (a, b) => a > b,
  '<': (a, b) => a < b,
  '==': (a, b) => a === b,
}

/** Names of the metrics that an expression reads. */
export function metricsIn(expression: string): readonly string[] {
  const names: string[] = []
  new Reading(expression, 0, [], (name) => names.push(name)).whole()
  return [...new Set(names)]
}

export function evaluate(expression: string, minute: number, series: readonly Series[]): Value {
  return new Reading(expression, minute, series, () => {}).whole()
}

/** Reads and evaluates in one go: what is not known is found where it stands. */
class Reading {
  readonly #tokens: readonly string[]
  readonly #minute: number
  readonly #series: readonly Series[]
  readonly #saw: (name: string) => void
  #at = 0

  constructor(text: string, minute: number, series: readonly Series[], saw: (name: string) => void) {
    this.#tokens = tokensOf(text)
    this.#minute = minute
    this.#series = series
    this.#saw = saw
  }

  whole(): Value {
    const value = this.#either()
    if (this.#at < this.#tokens.length) throw new Error(`promql: ${this.#tokens[this.#at]} is not known here`)
    return value
  }

  #either(): Value {
    let left = this.#both()
    while (this.#takes('or')) {
      const [ours, others] = [vector(left), vector(this.#both())]
      left = [...ours, ...others.filter(({ labels }) => !ours.some((one) => alike(one.labels, labels)))]
    }
    return left
  }

  #both(): Value {
    let left = this.#compared()
    for (;;) {
      const isAnd = this.#takes('and')
      if (!isAnd && !this.#takes('unless')) return left
      const right = vector(this.#compared())
      left = vector(left).filter(({ labels }) => right.some((one) => alike(one.labels, labels)) === isAnd)
    }
  }

  #compared(): Value {
    const left = this.#product()
    const compare = COMPARISONS[this.#tokens[this.#at] ?? '']
    if (compare === undefined) return left
    this.#at++
    const right = this.#product()
    return vector(left).filter((sample) => {
      const other = partner(right, sample)
      return other !== undefined && compare(sample.value, other)
    })
  }

  #product(): Value {
    let left = this.#primary()
    while (this.#takes('*')) {
      const right = this.#primary()
      if (typeof left === 'number' && typeof right === 'number') left = left * right
      else if (typeof left === 'number') left = scaled(vector(right), left)
      else if (typeof right === 'number') left = scaled(left, right)
      else throw new Error('promql: a product of two vectors is not known here')
    }
    return left
  }

  #primary(): Value {
    const token = this.#next()
    if (/^\d/.test(token)) return Number(token)
    if (token === '(') return this.#closing(this.#either())
    if (AGGREGATIONS[token] !== undefined) return this.#aggregated(AGGREGATIONS[token])
    if (RANGED[token] !== undefined) return this.#ranged(RANGED[token])
    if (token === 'histogram_quantile') return this.#quantile()
    const series = this.#selected(token)
    const at = this.#minute - (this.#takes('offset') ? minutesOf(this.#next()) : 0)
    return series.flatMap(({ labels, values }) => {
      const value = at < 0 ? undefined : values.slice(Math.max(0, at - LOOKBACK + 1), at + 1).at(-1)
      return value === undefined ? [] : [{ labels, value }]
    })
  }

  #aggregated(fold: (values: readonly number[]) => number): Value {
    const by = this.#takes('by') ? this.#names() : []
    this.#expect('(')
    const samples = vector(this.#closing(this.#either()))
    return grouped(samples, (labels) => only(labels, by)).map(([labels, some]) => ({
      labels,
      value: fold(some.map(({ value }) => value)),
    }))
  }

  #ranged(fold: (values: readonly number[], seconds: number) => number): Value {
    this.#expect('(')
    const series = this.#selected(this.#next())
    this.#expect('[')
    const minutes = minutesOf(this.#next())
    this.#expect(']')
    this.#expect(')')
    return series.flatMap(({ labels, values }) => {
      const some = values
        .slice(Math.max(0, this.#minute - minutes), this.#minute + 1)
        .filter((one) => one !== undefined)
      return some.length < 2 ? [] : [{ labels, value: fold(some, minutes * 60) }]
    })
  }

  #quantile(): Value {
    this.#expect('(')
    const rank = this.#primary()
    this.#expect(',')
    const buckets = vector(this.#closing(this.#both()))
    if (typeof rank !== 'number') throw new Error('promql: a quantile is a number')
    const groups = grouped(buckets, (labels) => without(labels, 'le'))
    return groups.map(([labels, some]) => ({ labels, value: quantileOf(rank, some) }))
  }

  #selected(name: string): readonly Series[] {
    if (!/^[a-zA-Z_:]/.test(name)) throw new Error(`promql: ${name} is not known here`)
    this.#saw(name)
    const matchers = this.#takes('{') ? this.#matchers() : []
    return this.#series.filter((one) => one.name === name && matchers.every((matches) => matches(one.labels)))
  }

  #matchers(): ((labels: Labels) => boolean)[] {
    const matchers: ((labels: Labels) => boolean)[] = []
    while (!this.#takes('}')) {
      const [label, how, text] = [this.#next(), this.#next(), this.#next().slice(1, -1)]
      if (how === '=') matchers.push((labels) => (labels[label] ?? '') === text)
      else if (how === '!=') matchers.push((labels) => (labels[label] ?? '') !== text)
      else if (how === '=~') matchers.push((labels) => new RegExp(`^(?:${text})$`).test(labels[label] ?? ''))
      else throw new Error(`promql: ${how} is not known here`)
      this.#takes(',')
    }
    return matchers
  }

  #names(): readonly string[] {
    this.#expect('(')
    const names: string[] = []
    while (!this.#takes(')')) {
      names.push(this.#next())
      this.#takes(',')
    }
    return names
  }

  #closing<T>(value: T): T {
    this.#expect(')')
    return value
  }

  #next(): string {
    const token = this.#tokens[this.#at++]
    if (token === undefined) throw new Error('promql: it ends too soon')
    return token
  }

  #takes(token: string): boolean {
    if (this.#tokens[this.#at] !== token) return false
    this.#at++
    return true
  }

  #expect(token: string): void {
    if (!this.#takes(token))
      throw new Error(`promql: ${token} is wanted, not ${this.#tokens[this.#at] ?? 'its end'}`)
  }
}

function tokensOf(text: string): readonly string[] {
  const tokens: string[] = []
  TOKEN.lastIndex = 0
  const trimmed = text.trim()
  while (TOKEN.lastIndex < trimmed.length) {
    const at = TOKEN.lastIndex
    const found = TOKEN.exec(trimmed)?.[1]
    if (found === undefined) throw new Error(`promql: ${trimmed.slice(at, at + 10)} is not known here`)
    tokens.push(found)
  }
  return tokens
}

function vector(value: Value): readonly Sample[] {
  if (typeof value === 'number') throw new Error('promql: labelled numbers are wanted, not one number')
  return value
}

function scaled(samples: readonly Sample[], by: number): readonly Sample[] {
  return samples.map(({ labels, value }) => ({ labels, value: value * by }))
}

function partner(value: Value, { labels }: Sample): number | undefined {
  return typeof value === 'number' ? value : value.find((one) => alike(one.labels, labels))?.value
}

export function alike(a: Labels, b: Labels): boolean {
  return keyOf(a) === keyOf(b)
}

export function keyOf(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

function only(labels: Labels, names: readonly string[]): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([name]) => names.includes(name)))
}

function without(labels: Labels, name: string): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([one]) => one !== name))
}

function grouped(
  samples: readonly Sample[],
  by: (labels: Labels) => Labels,
): readonly (readonly [Labels, readonly Sample[]])[] {
  const groups = Map.groupBy(samples, ({ labels }) => keyOf(by(labels)))
  return [...groups.values()].map((some) => [by(some[0]?.labels ?? {}), some] as const)
}

/** A counter that falls was set back to zero. */
function rise(values: readonly number[]): number {
  return values.reduce((total, value, i) => {
    const before = values[i - 1]
    return before === undefined ? total : total + (value < before ? value : value - before)
  }, 0)
}

function quantileOf(rank: number, buckets: readonly Sample[]): number {
  const sorted = buckets
    .map(({ labels, value }) => ({ le: labels['le'] === '+Inf' ? Infinity : Number(labels['le']), value }))
    .toSorted((a, b) => a.le - b.le)
  const wanted = rank * (sorted.at(-1)?.value ?? 0)
  const at = sorted.findIndex(({ value }) => value >= wanted)
  const [below, bucket] = [sorted[at - 1], sorted[at]]
  if (wanted === 0 || bucket === undefined) return Number.NaN
  if (bucket.le === Infinity) return below?.le ?? Number.NaN
  const from = below?.le ?? 0
  const under = below?.value ?? 0
  return from + ((bucket.le - from) * (wanted - under)) / (bucket.value - under)
}

function minutesOf(duration: string): number {
  const [, count = '', unit] = /^(\d+)([mh])$/.exec(duration) ?? []
  if (unit === undefined) throw new Error(`promql: the span ${duration} is not known here`)
  return Number(count) * (unit === 'h' ? 60 : 1)
}
