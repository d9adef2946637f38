/**
 * The shipped alerts and the shipped dashboard. In: their files and the metrics that a gate really exposes. Out: every
 * expression reads metrics that exist, and every alert fires when it should and not before. Refuses an alert without a
 * test, one without words for whoever is woken, and a metric whose name breaks the conventions of Prometheus.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { startGate } from '../support/gate.ts'
import { alike, evaluate, keyOf, type Labels, metricsIn, type Sample, type Series } from './promql.ts'

const DEPLOY = fileURLToPath(new URL('../../deploy/', import.meta.url))

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly for?: string
  readonly labels: Labels
  readonly annotations: Labels
}

interface RuleTest {
  readonly interval: string
  readonly input_series: readonly { readonly series: string; readonly values: string | number }[]
  readonly alert_rule_test: readonly {
    readonly eval_time: string
    readonly alertname: string
    readonly exp_alerts: readonly { readonly exp_labels: Labels; readonly exp_annotations: Labels }[]
  }[]
}

// Boundaries: files of ours, in shapes that promtool checks where it is installed.
const { groups } = parse(readFileSync(`${DEPLOY}prometheus/alerts.yaml`, 'utf8')) as {
  groups: { rules: Rule[] }[]
}
const { tests } = parse(readFileSync(`${DEPLOY}prometheus/alerts.test.yaml`, 'utf8')) as { tests: RuleTest[] }
const RULES = groups.flatMap(({ rules }) => rules)

/** What `/metrics` of a gate says: each metric's name and kind. */
let exposed: ReadonlyMap<string, string>
before(async () => {
  const gate = await startGate()
  try {
    const text = await (await fetch(`${gate.adminUrl}/metrics`)).text()
    exposed = new Map(
      [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', kind = '']) => [name, kind]),
    )
  } finally {
    await gate.stop()
  }
})

/** Made by Prometheus itself for each target. */
const PROMETHEUS_OWN = new Set(['up'])

function isExposed(name: string): boolean {
  const family = name.replace(/_(bucket|sum|count)$/, '')
  return PROMETHEUS_OWN.has(name) || exposed.has(name) || exposed.get(family) === 'histogram'
}

test('every alert reads metrics that a gate exposes, and has words, a severity and a section in the guide', () => {
  const guide = readFileSync(`${DEPLOY}../docs/guide/operate.md`, 'utf8')
  for (const { alert, expr, labels, annotations } of RULES) {
    for (const name of metricsIn(expr))
      assert.ok(isExposed(name), `${alert} reads ${name}, which no gate exposes`)
    assert.match(labels['severity'] ?? '', /^(critical|warning)$/, alert)
    assert.match(annotations['summary'] ?? '', /^[A-Z].*[^.]$/, alert)
    assert.ok(guide.includes(`### ${alert}\n`), `docs/guide/operate.md says nothing of ${alert}`)
  }
})

test('every alert is tested silent and firing', () => {
  const checks = tests.flatMap(({ alert_rule_test }) => alert_rule_test)
  for (const { alert } of RULES) {
    const own = checks.filter(({ alertname }) => alertname === alert)
    assert.ok(
      own.some(({ exp_alerts }) => exp_alerts.length === 0),
      `${alert} is never tested silent`,
    )
    assert.ok(
      own.some(({ exp_alerts }) => exp_alerts.length > 0),
      `${alert} is never tested firing`,
    )
  }
})

for (const { input_series, alert_rule_test } of tests) {
  for (const { alertname, eval_time, exp_alerts } of alert_rule_test) {
    test(`${alertname} after ${eval_time}: ${exp_alerts.length === 0 ? 'silent' : 'fires'}`, () => {
      const rule = RULES.find(({ alert }) => alert === alertname) ?? assert.fail(`there is no ${alertname}`)
      const firing = firingAt(rule, minutes(eval_time), input_series.map(seriesOf))
      const expected = exp_alerts.map(({ exp_labels }) => keyOf(exp_labels))
      assert.deepEqual(
        firing.map((labels) => keyOf({ ...labels, ...rule.labels })),
        expected,
      )
      for (const { exp_annotations } of exp_alerts) assert.ok(alike(exp_annotations, rule.annotations))
    })
  }
}

/** The label sets for which the rule has held for as long as it wants. */
function firingAt(rule: Rule, minute: number, series: readonly Series[]): readonly Labels[] {
  const wanted = rule.for === undefined ? 0 : minutes(rule.for)
  const holds = (at: number): readonly Sample[] => {
    const value = evaluate(rule.expr, at, series)
    return typeof value === 'number' ? assert.fail('an alert gives labelled numbers') : value
  }
  return holds(minute)
    .map(({ labels }) => labels)
    .filter((labels) => {
      const spans = Array.from({ length: wanted + 1 }, (_, back) => minute - back)
      return spans.every((at) => at >= 0 && holds(at).some((sample) => alike(sample.labels, labels)))
    })
}

function seriesOf({ series, values }: RuleTest['input_series'][number]): Series {
  const [, name = '', inside = ''] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?$/.exec(series) ?? []
  const labels = [...inside.matchAll(/(\w+)="([^"]*)"/g)].map(([, label = '', text = '']) => [label, text])
  return {
    name,
    labels: Object.fromEntries(labels) as Labels,
    values: String(values).split(' ').flatMap(expanded),
  }
}

/** `1x5` is 1 six times, `0+60x3` is 0, 60, 120, 180, `_x3` is nothing three times; `stale` ends a series. */
function expanded(part: string): readonly (number | undefined)[] {
  if (part === 'stale') return Array<undefined>(60).fill(undefined)
  if (/^_(x\d+)?$/.test(part)) return Array<undefined>(Number(part.slice(2) || '1')).fill(undefined)
  const [, first = '', step = '0', times = '0'] = /^(-?[\d.]+)(?:([+-][\d.]+))?(?:x(\d+))?$/.exec(part) ?? []
  return Array.from({ length: Number(times) + 1 }, (_, i) => Number(first) + i * Number(step))
}

function minutes(text: string): number {
  const [, count = ''] = /^(\d+)m$/.exec(text) ?? assert.fail(`${text} is no number of minutes`)
  return Number(count)
}

test('promtool agrees, where it is installed', (t) => {
  const check = (...args: string[]) =>
    spawnSync('promtool', args, { cwd: `${DEPLOY}prometheus`, encoding: 'utf8' })
  const checked = check('check', 'rules', 'alerts.yaml')
  if (checked.error !== undefined)
    return t.diagnostic('promtool is not installed; the rules were evaluated here alone')
  assert.equal(checked.status, 0, `${checked.stdout}${checked.stderr}`)
  const tested = check('test', 'rules', 'alerts.test.yaml')
  assert.equal(tested.status, 0, `${tested.stdout}${tested.stderr}`)
})

test('metrics are named by the conventions: base units, _total for counters and nothing else', () => {
  for (const [name, kind] of exposed) {
    if (!name.startsWith('gatehouse_')) continue
    assert.match(name, /^[a-z]+(_[a-z]+)*$/)
    assert.equal(name.endsWith('_total'), kind === 'counter', `${name} is a ${kind}`)
    assert.doesNotMatch(name, /_(ms|millis|milliseconds|minutes|kb|mb|percent)(_|$)/)
    if (kind === 'histogram') assert.match(name, /_(seconds|bytes)$/)
    // In OpenMetrics a counter's family has no _total; two families of one name are an error.
    if (kind === 'counter')
      assert.ok(!exposed.has(name.replace(/_total$/, '')), `${name} meets its own family`)
  }
})

interface Dashboard {
  readonly uid: string
  readonly title: string
  readonly panels: readonly {
    readonly id: number
    readonly title: string
    readonly type: string
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
    readonly targets?: readonly { readonly expr: string; readonly refId: string }[]
  }[]
}

test('the dashboard: its panels stand apart, and read metrics that a gate exposes', () => {
  const dashboard = JSON.parse(readFileSync(`${DEPLOY}grafana/gatehouse.json`, 'utf8')) as Dashboard
  assert.equal(dashboard.uid, 'gatehouse')
  const cells = new Map<string, string>()
  for (const {
    title,
    gridPos: { x, y, w, h },
    targets = [],
  } of dashboard.panels) {
    for (const { expr } of targets) {
      const plain = expr.replaceAll('$__rate_interval', '5m').replaceAll(/\{[^}]*\$\w+[^}]*\}/g, '')
      for (const name of namesIn(plain))
        assert.ok(isExposed(name), `${title} reads ${name}, which no gate exposes`)
    }
    assert.ok(x + w <= 24, title)
    for (let i = 0; i < w * h; i++) {
      const cell = `${x + (i % w)},${y + Math.floor(i / w)}`
      assert.ok(!cells.has(cell), `${title} stands on ${cells.get(cell)}`)
      cells.set(cell, title)
    }
  }
  assert.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length)
})

/** Of expressions that the evaluator need not know: names that begin as ours, Node's and Prometheus' do. */
function namesIn(expression: string): readonly string[] {
  return expression.match(/\b(?:gatehouse|nodejs|process)_\w+|\bup\b/g) ?? []
}
