/**
 * What a gate tells of itself: only declared log fields, nothing of a message, ids of our own, metrics apart for each gate,
 * and traces that reach a collector or cost nothing.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { golden } from '../../test/support/golden.ts'
import { Secret } from '../secrets/sealed.ts'
import { createLog, type LogOptions } from './log.ts'
import { logEventTable } from './log-events.ts'
import { createMetrics } from './metrics.ts'
import { newRequestId } from './request-id.ts'
import { createTracer } from './trace.ts'

const CANARY = 'canary-51c0'

function recorded(level: LogOptions['level'] = 'debug'): {
  lines: string[]
  log: ReturnType<typeof createLog>
} {
  const lines: string[] = []
  return { lines, log: createLog({ level, write: (line) => void lines.push(line), clock: () => 0 }) }
}

function only(lines: readonly string[]): Record<string, unknown> {
  assert.equal(lines.length, 1)
  // A boundary: a line just written.
  return JSON.parse(lines[0] ?? '') as Record<string, unknown>
}

test('an event is one line of JSON with level, time, name and its fields', () => {
  const { lines, log } = recorded()
  log.emit('gate.stopped', { drainMs: 3 })
  assert.equal(
    lines[0],
    '{"level":"info","time":"1970-01-01T00:00:00.000Z","event":"gate.stopped","drainMs":3}\n',
  )
})

test('what the table does not declare is left out, even when types were got around', () => {
  const { lines, log } = recorded()
  const fields = { drainMs: 1, body: CANARY }
  log.emit('gate.stopped', fields)
  assert.deepEqual(Object.keys(only(lines)), ['level', 'time', 'event', 'drainMs'])
})

test('a fault keeps name, code and place, and loses every word of its message', () => {
  const { lines, log } = recorded()
  const cause = Object.assign(new RangeError(`row ${CANARY}\n    at ${CANARY} (file.ts:1:1)`), {
    code: 'E_ROW',
  })
  log.emit('gate.failed', { fault: new TypeError(`${CANARY}\n    at ${CANARY} (file.ts:1:1)`, { cause }) })
  assert.ok(!lines.join('').includes(CANARY))
  const line = only(lines)
  assert.partialDeepStrictEqual(line, {
    fault: { name: 'TypeError', cause: { name: 'RangeError', code: 'E_ROW' } },
  })
  assert.match(JSON.stringify(line), /observe\.test\.ts/)
})

test('a path loses its query, text its control characters, and a secret stays sealed', () => {
  const { lines, log } = recorded()
  const path = `/v1/x?token=${CANARY}`
  const method = `GET\n\u001b[31m\u202e`
  const requestId = Secret.of(CANARY) as unknown as string
  log.emit('admin.requested', { requestId, method, path, status: 200, ms: 1 })
  const line = only(lines)
  assert.equal(line['path'], '/v1/x')
  assert.equal(line['method'], 'GET\\u000a\\u001b[31m\\u202e')
  assert.equal(line['requestId'], '[sealed]')
})

test('text is cut, and a level below the one asked for is not written', () => {
  const { lines, log } = recorded('warn')
  log.emit('gate.stopped', { drainMs: 1 })
  log.emit('delivery.dead', { delivery: 'dlv_1', subscription: 'sub_1', reason: 'x'.repeat(10_000) })
  assert.equal(String(only(lines)['reason']).length, 257)
})

test('the table of log events is the reviewed one', () => {
  golden('test/golden/log-events.txt', logEventTable())
})

test('a request id is ours, new each time', () => {
  assert.match(newRequestId(), /^req_[0-9a-f]{32}$/)
  assert.notEqual(newRequestId(), newRequestId())
})

test('two gates in one process count apart, and print what Prometheus reads', async () => {
  const [one, other] = [createMetrics('0.1.0'), createMetrics('0.1.0')]
  one.ingressRequests.inc({ source: 'slack', outcome: 'accepted' })
  one.ingressAcceptSeconds.observe({ source: 'slack' }, 0.003)
  assert.match(await one.text(), /^gatehouse_ingress_requests_total\{source="slack",outcome="accepted"\} 1$/m)
  assert.match(await one.text(), /^gatehouse_ingress_accept_seconds_bucket\{le="0\.005",source="slack"\} 1$/m)
  assert.doesNotMatch(await other.text(), /outcome="accepted"/)
  for (const name of [
    'process_cpu_seconds_total',
    'process_resident_memory_bytes',
    'nodejs_eventloop_lag_p99_seconds',
  ]) {
    assert.match(await other.text(), new RegExp(`^${name} `, 'm'))
  }
})

test('without a collector a span only runs its work', async () => {
  const tracer = await createTracer({ otlpUrl: undefined, version: '0' })
  assert.equal(await tracer.span('work', {}, () => Promise.resolve(7)), 7)
  await tracer.close()
})

test('spans reach a collector, nested, and a failed one without its message', async (t) => {
  const bodies: string[] = []
  const collector = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      bodies.push(`${request.url} ${body}`)
      response.end('{}')
    })
  })
  collector.listen(0, '127.0.0.1')
  await once(collector, 'listening')
  t.after(() => collector.close())
  const address = collector.address()
  assert.ok(address !== null && typeof address === 'object')
  const tracer = await createTracer({ otlpUrl: `http://127.0.0.1:${address.port}`, version: '0.1.0' })
  const failing = tracer.span('outer', { channel: 'chn_1' }, () =>
    tracer.span('inner', {}, (span) => {
      span.set({ status: 500 })
      return Promise.reject(new RangeError(CANARY))
    }),
  )
  await assert.rejects(failing, RangeError)
  await tracer.close()
  const sent = bodies.join('\n')
  assert.match(sent, /^\/v1\/traces /)
  for (const word of ['outer', 'inner', 'chn_1', 'RangeError', 'gatehouse'])
    assert.ok(sent.includes(word), word)
  assert.ok(!sent.includes(CANARY))
  const [inner, outer] = [spanIn(sent, 'inner'), spanIn(sent, 'outer')]
  assert.equal(inner['parentSpanId'], outer['spanId'])
})

function spanIn(sent: string, name: string): Record<string, unknown> {
  // A boundary: OTLP in JSON, as far as the test looks.
  const { resourceSpans } = JSON.parse(sent.slice(sent.indexOf(' '))) as {
    resourceSpans: { scopeSpans: { spans: Record<string, unknown>[] }[] }[]
  }
  const spans = resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans: found }) => found))
  return spans.find((span) => span['name'] === name) ?? assert.fail(`no span ${name}`)
}

test('a collector that is away fails no work and no stop', async () => {
  const tracer = await createTracer({ otlpUrl: 'http://127.0.0.1:9', version: '0.1.0' })
  assert.equal(await tracer.span('work', {}, () => Promise.resolve(7)), 7)
  await tracer.close()
})
