/**
 * Spans for OpenTelemetry, where an operator names a collector. In: a name, plain attributes, the work. Out: what the work
 * gives, and a span on its way to the collector. Refuses nothing: without a collector it only runs the work, and a
 * collector that is away loses spans, never requests.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import {
  type Context,
  ROOT_CONTEXT,
  SpanStatusCode,
  trace,
  type Tracer as OtelTracer,
} from '@opentelemetry/api'

/** Spans that wait for the collector; more are dropped, so that memory stays bounded. */
const QUEUE_CAP = 4_096
/** Milliseconds an export may take before it is given up: a stop waits for the last one. */
const EXPORT_TIMEOUT = 2_000
/** UTF-16 units of an attribute. */
const ATTRIBUTE_CAP = 256

export type SpanAttributes = Readonly<Record<string, string | number | boolean>>

/** A span under way: adds what is known only later. */
export interface LiveSpan {
  set(attributes: SpanAttributes): void
}

export interface Tracer {
  /** Runs `work` in a span, below the span that is running. A throw marks it as failed, by the error's name alone. */
  span<T>(name: string, attributes: SpanAttributes, work: (span: LiveSpan) => Promise<T>): Promise<T>
  /** Hands over what waits. Resolves even when the collector is away. */
  close(): Promise<void>
}

export interface TraceOptions {
  /** Base URL of the collector; `/v1/traces` is appended. Undefined for no traces at all. */
  readonly otlpUrl: string | undefined
  readonly version: string
}

export async function createTracer({ otlpUrl, version }: TraceOptions): Promise<Tracer> {
  if (otlpUrl === undefined) return NO_TRACER
  // Only now: loading these takes longer than the rest of a start.
  const [{ BatchSpanProcessor, TracerProvider }, { OTLPTraceExporter }, { resourceFromAttributes }] =
    await Promise.all([
      import('@opentelemetry/sdk-trace'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/resources'),
    ])
  const exporter = new OTLPTraceExporter({ url: tracesUrl(otlpUrl), timeoutMillis: EXPORT_TIMEOUT })
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'gatehouse', 'service.version': version }),
    spanLimits: { attributeValueLengthLimit: ATTRIBUTE_CAP },
    spanProcessors: [
      new BatchSpanProcessor({ exporter, maxQueueSize: QUEUE_CAP, exportTimeoutMillis: EXPORT_TIMEOUT }),
    ],
  })
  const tracer = recording(provider.getTracer('gatehouse', version))
  // A collector that is away is no reason to fail a stop.
  return { ...tracer, close: () => provider.shutdown().catch(() => undefined) }
}

const NO_SPAN: LiveSpan = { set: () => undefined }
const NO_TRACER: Tracer = {
  span: (_name, _attributes, work) => work(NO_SPAN),
  close: () => Promise.resolve(),
}

/** Contexts are passed on by us, not by a global manager: two gates in one process stay apart. */
function recording(otel: OtelTracer): Pick<Tracer, 'span'> {
  const running = new AsyncLocalStorage<Context>()
  return {
    async span(name, attributes, work) {
      const above = running.getStore() ?? ROOT_CONTEXT
      const span = otel.startSpan(name, { attributes }, above)
      try {
        return await running.run(trace.setSpan(above, span), () =>
          work({ set: (more) => void span.setAttributes(more) }),
        )
      } catch (error) {
        span.setStatus({
          code: SpanStatusCode.ERROR,
          message: error instanceof Error ? error.name : 'thrown',
        })
        throw error
      } finally {
        span.end()
      }
    },
  }
}

function tracesUrl(base: string): string {
  return base.endsWith('/v1/traces') ? base : `${base.replace(/\/$/, '')}/v1/traces`
}
