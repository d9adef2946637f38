/**
 * Fetches a URL because a vendor wants to see it fetched, as Amazon does to confirm a subscription. In: the URL of a proved
 * request, whose host the source has checked. Out: nothing, once the vendor has answered 200. Refuses, with
 * `VendorUnavailable`, when it did not; a URL that was fetched lately is not fetched again, however often it is sent.
 */
import { LRUCache } from 'lru-cache'
import { VendorUnavailable } from './vendor-unavailable.ts'

/** Amazon's answer to a confirmation has under 1,000 bytes; it is thrown away. */
const ANSWER_CAP = 65_536
/** The vendor of the webhook waits meanwhile. */
const WAIT_MS = 5_000
/** As long as a confirmation is young enough to be believed. */
const AGAIN_MS = 3_600_000
/** URLs remembered; one evicted is fetched again when it is sent again. */
const VISITED_CAP = 1_000

export interface VisitNeeds {
  readonly get: (
    url: string,
    options: { readonly cap: number; readonly accept: string; readonly totalMs: number },
  ) => Promise<
    { readonly answered: true; readonly status: number } | { readonly answered: false; readonly code: string }
  >
  /** Unix milliseconds. */
  readonly clock: () => number
}

export class Visits {
  readonly #needs: VisitNeeds
  readonly #visited = new LRUCache<string, number>({ max: VISITED_CAP })
  readonly #underWay = new Map<string, Promise<void>>()

  constructor(needs: VisitNeeds) {
    this.#needs = needs
  }

  async visit(url: string): Promise<void> {
    const before = this.#visited.get(url)
    if (before !== undefined && this.#needs.clock() - before < AGAIN_MS) return
    const underWay = this.#underWay.get(url)
    if (underWay !== undefined) return await underWay
    // As many as requests that wait here, each of which holds its entry until it is answered.
    const visiting = this.#fetch(url).finally(() => this.#underWay.delete(url))
    this.#underWay.set(url, visiting)
    await visiting
  }

  async #fetch(url: string): Promise<void> {
    const answer = await this.#needs.get(url, { cap: ANSWER_CAP, accept: '*/*', totalMs: WAIT_MS })
    const code = answer.answered ? `status ${answer.status}` : answer.code
    if (code !== 'status 200')
      throw new VendorUnavailable(`confirm to the vendor: ${code}, wanted status 200`)
    this.#visited.set(url, this.#needs.clock())
  }
}
