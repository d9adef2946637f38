/**
 * Turns what the rooms report into counters and log lines. In: outcomes. Out: nothing but those. Refuses nothing; labels
 * are sources, reasons and outcomes from closed lists, never what a sender chose.
 */
import type { DeliveryReport } from '../delivery/needs.ts'
import type { RawBodies } from '../ingress/raw.ts'
import type { ReceiveNeeds } from '../ingress/receive.ts'
import { StoreUnavailable } from '../store/store.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'

/** Label of requests that named no channel. */
const NO_SOURCE = 'none'

export function ingressReport(
  log: Log,
  metrics: Metrics,
  bodies: RawBodies,
  breaker: { readonly isOpen: boolean },
): Pick<ReceiveNeeds, 'report' | 'failed'> {
  return {
    report({ outcome, status, requestId, source = NO_SOURCE, channel, reason, delivery, kind, bytes, ms }) {
      metrics.ingressRequests.inc({ source, outcome })
      if (outcome === 'accepted' && channel !== undefined && delivery !== undefined) {
        metrics.ingressAcceptSeconds.observe({ source }, ms / 1_000)
        log.emit('ingress.accepted', { requestId, channel, source, delivery, kind: kind ?? '', bytes, ms })
      } else if (outcome === 'duplicate' && channel !== undefined) {
        metrics.ingressDuplicates.inc({ source })
        log.emit('ingress.duplicate', { requestId, channel, source })
      } else if (reason !== undefined) {
        metrics.ingressRefusals.inc({ source, reason })
        log.emit('ingress.refused', { requestId, channel, source, status, reason })
        if (reason === 'unavailable') log.emit('ingress.shed', { requestId, inFlightBytes: bodies.held })
      }
    },
    failed(requestId, channel, fault) {
      metrics.storeUnavailable.inc()
      // Said once, when it opened; a line for each request refused since would only slow the refusals.
      if (breaker.isOpen && fault instanceof StoreUnavailable) return
      log.emit('ingress.failed', { requestId, channel, step: 'receive', fault })
    },
  }
}

export function deliveryReport(log: Log, metrics: Metrics): DeliveryReport {
  return {
    attempted({ mode, outcome, delivery, subscription, code }) {
      metrics.deliveryAttempts.inc({ mode, outcome })
      log.emit('delivery.attempted', { delivery, subscription, mode, outcome, code })
      if (outcome === 'dead') {
        metrics.deliveryDead.inc()
        log.emit('delivery.dead', { delivery, subscription, reason: code })
      }
    },
    breaker: ({ subscription, state }) => log.emit('delivery.breaker', { subscription, state }),
    troubled: (work, fault) => log.emit('delivery.failed', { step: work, fault }),
  }
}
