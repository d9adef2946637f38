/**
 * What a gate counts. In: outcomes, from the rooms. Out: Prometheus text, for the admin listener alone. Refuses nothing; it
 * takes no label that an outsider chooses, so that the number of series stays bounded by the operator's own objects.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

/** Seconds. A durable accept takes 1 to 50 ms; what is beyond 5 s is as bad as any. */
const ACCEPT_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5]
/** Seconds. Push waits up to half a minute for an app. */
const PUSH_BUCKETS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
/** Milliseconds between two looks at the event loop: fine enough to see a stall, and cheap. */
const LOOP_PRECISION = 20

export interface Metrics {
  /** outcome: accepted, duplicate, handshake, refused, failed. */
  readonly ingressRequests: Counter<'source' | 'outcome'>
  readonly ingressRefusals: Counter<'source' | 'reason'>
  readonly ingressDuplicates: Counter<'source'>
  readonly tenantMismatch: Counter<'channel'>
  readonly ingressInFlightBytes: Gauge
  readonly ingressInFlightCapBytes: Gauge
  readonly ingressAcceptSeconds: Histogram<'source'>
  /** mode: push, pull. outcome: delivered, retry, dead, refused. */
  readonly deliveryAttempts: Counter<'mode' | 'outcome'>
  readonly deliverySeconds: Histogram<'mode'>
  readonly deliveryPending: Gauge
  /** How long the delivery that waits longest has been due; 0 when none is. */
  readonly deliveryBacklogAge: Gauge
  readonly deliveryDead: Counter
  /** Dead letters that are there now: what an alarm watches. */
  readonly deliveryDeadNow: Gauge
  /** 1 probing, 2 open; no series while it is closed. */
  readonly breakerState: Gauge<'subscription'>
  /** outcome: answered, neutral, late, refused, failed, repeated, shed. */
  readonly syncAnswers: Counter<'source' | 'outcome'>
  /** route: the row of `routes.ts`, never the path. */
  readonly adminRequests: Counter<'route' | 'status'>
  readonly storeUnavailable: Counter
  /** 1 while requests that need the store are refused at once. */
  readonly storeBreakerOpen: Gauge
  /** check: as `/readyz` names them. 1 when it passes. */
  readonly ready: Gauge<'check'>
  readonly contentType: string
  text(): Promise<string>
}

export function createMetrics(version: string): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LOOP_PRECISION })
  const counter = <L extends string>(name: string, help: string, labelNames: L[]): Counter<L> =>
    new Counter({ name: `gatehouse_${name}`, help, labelNames, registers: [registry] })
  const gauge = <L extends string>(name: string, help: string, labelNames: L[]): Gauge<L> =>
    new Gauge({ name: `gatehouse_${name}`, help, labelNames, registers: [registry] })
  const seconds = <L extends string>(
    name: string,
    help: string,
    buckets: number[],
    labelNames: L[],
  ): Histogram<L> =>
    new Histogram({ name: `gatehouse_${name}`, help, buckets, labelNames, registers: [registry] })
  gauge('build_info', 'Version of the gate, as a label', ['version']).set({ version }, 1)
  return {
    ingressRequests: counter('ingress_requests_total', 'Webhook requests by outcome', ['source', 'outcome']),
    ingressRefusals: counter('ingress_refusals_total', 'Refused webhook requests by reason', [
      'source',
      'reason',
    ]),
    ingressDuplicates: counter('ingress_duplicates_total', 'Deliveries that had been accepted before', [
      'source',
    ]),
    tenantMismatch: counter('tenant_mismatch_total', 'Proved deliveries that named another workspace', [
      'channel',
    ]),
    ingressInFlightBytes: gauge('ingress_in_flight_bytes', 'Bytes of bodies held now', []),
    ingressInFlightCapBytes: gauge(
      'ingress_in_flight_cap_bytes',
      'Bytes of bodies beyond which new ones get 503',
      [],
    ),
    ingressAcceptSeconds: seconds(
      'ingress_accept_seconds',
      'From first byte to durable accept',
      ACCEPT_BUCKETS,
      ['source'],
    ),
    deliveryAttempts: counter('delivery_attempts_total', 'Tries to hand a delivery to an app', [
      'mode',
      'outcome',
    ]),
    deliverySeconds: seconds('delivery_seconds', 'How long an app took to answer', PUSH_BUCKETS, ['mode']),
    deliveryPending: gauge('delivery_pending', 'Deliveries that wait for their app', []),
    deliveryBacklogAge: gauge(
      'delivery_backlog_age_seconds',
      'How long the oldest due delivery has waited',
      [],
    ),
    deliveryDead: counter('delivery_dead_total', 'Deliveries given up after the last try', []),
    deliveryDeadNow: gauge('dead_letters', 'Dead letters that nobody has sent again', []),
    breakerState: gauge('delivery_breaker_state', 'Push subscriptions whose app is away: 1 probing, 2 open', [
      'subscription',
    ]),
    syncAnswers: counter('sync_answers_total', 'Callbacks of vendors that an app may answer, by outcome', [
      'source',
      'outcome',
    ]),
    adminRequests: counter('admin_requests_total', 'Requests to the admin listener', ['route', 'status']),
    storeUnavailable: counter('store_unavailable_total', 'Operations that the store could not do', []),
    storeBreakerOpen: gauge(
      'store_breaker_open',
      'Whether requests that need the store are refused at once',
      [],
    ),
    ready: gauge('ready', 'Whether a check of /readyz passes', ['check']),
    contentType: registry.contentType,
    text: () => registry.metrics(),
  }
}
