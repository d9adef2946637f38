/**
 * Keys that are not in the gate but with the vendor, read through the guarded dialler and kept. In: a reference from a
 * source, and the channel it is for. Out: a credential to verify with, or `undefined` where the vendor has no such key.
 * Refuses, with `VendorUnavailable`, while the vendor cannot be asked and nothing kept will do: the webhook is sent again.
 *
 * Whoever sends requests cannot make the gate fetch at will: a set is read again once a minute at most, however many unknown
 * keys are named, and each channel may bring few certificates a minute that are new. Requests that want the same
 * thing share one fetch.
 */
import { LRUCache } from 'lru-cache'
import { CERTIFICATE_CAP } from './certificate.ts'
import { KEY_SET_CAP } from './key-set.ts'
import type { KeyRef } from './source.ts'
import { type Material, keyOf, lacksKey, readMaterial } from './vendor-material.ts'
import { VendorUnavailable } from './vendor-unavailable.ts'
import type { LiveCredential } from './verify.ts'

/** URLs kept. Every source has one or two; an evicted one is read again. */
const URLS_CAP = 64
/** Vendors announce new keys days before they use them and withdraw old ones in hours. */
const FRESH_MS = 3_600_000
/** With the vendor down a day, better keys of yesterday than no deliveries; after that a withdrawn key would live on. */
const STALE_MS = 86_400_000
/** Between two reads of one set for keys that were not in it. */
const AGAIN_MS = 60_000
/** After a failed read, doubling with each up to `AGAIN_MS`. */
const RETRY_MS = 5_000
/** Key ids known to be in no set, so that a sender who goes on using one costs no read each minute. */
const UNKNOWN_CAP = 1_000
const UNKNOWN_MS = 300_000
/** Certificates never read before that one channel may bring in `AGAIN_MS`; vendors change theirs once a year. */
const NEW_URLS = 10
/** Channels counted for that; one evicted starts anew. */
const CHANNELS_CAP = 10_000
/** URLs that lately had no certificate, apart from those that had one, so that they evict none. */
const EMPTY_CAP = 1_000
/** What came instead of a certificate, when it will be the same a moment later. */
const GONE = /^(?:status 4\d\d|malformed|answer-too-large)$/
/** The vendor of the webhook waits meanwhile, and gives up after some 10 s. */
const WAIT_MS = 5_000

export interface VendorKeyNeeds {
  readonly get: (
    url: string,
    options: { readonly cap: number; readonly accept: string; readonly totalMs: number },
  ) => Promise<
    | { readonly answered: true; readonly status: number; readonly body: Buffer }
    | { readonly answered: false; readonly code: string }
  >
  /** A read failed; `kept` says whether an older reading stands in. */
  readonly failed: (host: string, code: string, kept: boolean) => void
  /** Unix milliseconds. */
  readonly clock: () => number
}

/** What is known of one URL. */
interface Shelf {
  readonly url: string
  readonly kind: KeyRef['kind']
  material: Material | undefined
  readAt: number
  triedAt: number
  /** Reads that failed since one did not. */
  failures: number
  /** The last one said that there is nothing to be had there, rather than nothing. */
  isGone: boolean
  reading: Promise<void> | undefined
}

export class VendorKeys {
  readonly #needs: VendorKeyNeeds
  readonly #shelves = new LRUCache<string, Shelf>({ max: URLS_CAP })
  readonly #empty = new LRUCache<string, Shelf>({ max: EMPTY_CAP })
  readonly #unknown = new LRUCache<string, number>({ max: UNKNOWN_CAP })
  readonly #brought = new LRUCache<string, { since: number; count: number }>({ max: CHANNELS_CAP })

  constructor(needs: VendorKeyNeeds) {
    this.#needs = needs
  }

  /** The key that `ref` names, good now. */
  async read(ref: KeyRef, channel: string): Promise<LiveCredential | undefined> {
    const shelf = this.#shelf(ref, channel)
    const isAsked = this.#isWanted(shelf, ref)
    if (isAsked) await (shelf.reading ??= this.#fetch(shelf))
    return this.#pick(shelf, ref, isAsked)
  }

  #shelf({ kind, url }: KeyRef, channel: string): Shelf {
    const name = `${kind} ${url}`
    const known = this.#shelves.get(name) ?? this.#empty.get(name)
    if (known !== undefined) return known
    // The URL of a set stands in the settings; that of a certificate is the sender's word.
    if (kind === 'x509') this.#countNew(channel, url)
    const never = Number.NEGATIVE_INFINITY
    const shelf: Shelf = {
      url,
      kind,
      material: undefined,
      readAt: never,
      triedAt: never,
      failures: 0,
      isGone: false,
      reading: undefined,
    }
    this.#empty.set(name, shelf)
    return shelf
  }

  #countNew(channel: string, url: string): void {
    const now = this.#needs.clock()
    const counted = this.#brought.get(channel)
    const current =
      counted !== undefined && now - counted.since < AGAIN_MS ? counted : { since: now, count: 0 }
    if (current.count >= NEW_URLS)
      throw new VendorUnavailable(`read the certificate of ${hostOf(url)}: too many new ones`)
    current.count++
    this.#brought.set(channel, current)
  }

  /** Whether the answer should wait for a reading: one under way, or a new one. */
  #isWanted(shelf: Shelf, ref: KeyRef): boolean {
    const now = this.#needs.clock()
    const isFresh = shelf.material !== undefined && now - shelf.readAt < FRESH_MS
    if (isFresh && !this.#isUnknown(shelf, ref, now)) return false
    return shelf.reading !== undefined || now - shelf.triedAt >= pauseAfter(shelf.failures)
  }

  /** Whether a set lacks the key that is named, and lacked it not just now. */
  #isUnknown({ material }: Shelf, ref: KeyRef, now: number): boolean {
    if (material === undefined || !lacksKey(material, ref)) return false
    return now - (this.#unknown.get(unknownName(ref)) ?? Number.NEGATIVE_INFINITY) >= UNKNOWN_MS
  }

  /** Never rejects: what failed is seen on the shelf. */
  async #fetch(shelf: Shelf): Promise<void> {
    shelf.triedAt = this.#needs.clock()
    try {
      const read = await this.#readOnce(shelf)
      shelf.isGone = typeof read === 'string' && GONE.test(read)
      if (typeof read === 'string') return this.#noteFailure(shelf, read)
      shelf.material = read
      shelf.readAt = this.#needs.clock()
      shelf.failures = 0
      const name = `${shelf.kind} ${shelf.url}`
      this.#empty.delete(name)
      this.#shelves.set(name, shelf)
    } catch {
      this.#noteFailure(shelf, 'failed')
    } finally {
      shelf.reading = undefined
    }
  }

  async #readOnce({ kind, url }: Shelf): Promise<Material | string> {
    const [cap, accept] =
      kind === 'jwks'
        ? ([KEY_SET_CAP, 'application/json'] as const)
        : ([CERTIFICATE_CAP, 'application/x-pem-file, text/plain, */*'] as const)
    const answer = await this.#needs.get(url, { cap, accept, totalMs: WAIT_MS })
    if (!answer.answered) return answer.code
    if (answer.status !== 200) return `status ${answer.status}`
    return readMaterial(kind, answer.body) ?? 'malformed'
  }

  #noteFailure(shelf: Shelf, code: string): void {
    shelf.failures++
    this.#needs.failed(hostOf(shelf.url), code, this.#isKept(shelf))
  }

  #isKept({ material, readAt }: Shelf): boolean {
    return material !== undefined && this.#needs.clock() - readAt < STALE_MS
  }

  #pick(shelf: Shelf, ref: KeyRef, isAsked: boolean): LiveCredential | undefined {
    const { material, failures, isGone } = shelf
    const unavailable = `read the keys of ${hostOf(ref.url)}: no answer that can be used, wanted one`
    // Whoever names a certificate that is not there has not proved anything, and need not come back.
    if (material === undefined && ref.kind === 'x509' && isGone) return undefined
    if (material === undefined || !this.#isKept(shelf)) throw new VendorUnavailable(unavailable)
    if (!lacksKey(material, ref)) return keyOf(material, ref, this.#needs.clock())
    // Perhaps it is a new key; as long as the vendor cannot be asked, nobody can say.
    if (failures > 0) throw new VendorUnavailable(unavailable)
    // Only what the vendor was asked for: a key that came up just after a reading is looked for again.
    if (isAsked) this.#unknown.set(unknownName(ref), this.#needs.clock())
    return undefined
  }
}

function pauseAfter(failures: number): number {
  return failures === 0 ? AGAIN_MS : Math.min(AGAIN_MS, RETRY_MS * 2 ** (failures - 1))
}

function unknownName(ref: KeyRef): string {
  return ref.kind === 'jwks' ? `${ref.url}\n${ref.kid}` : ref.url
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : 'the vendor'
}
