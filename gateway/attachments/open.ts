/**
 * Fetches what a delivery only refers to, when somebody asks for it and not before. In: an attachment as the vendor named
 * it, and where this vendor keeps files. Out: its bytes. Refuses other hosts than the vendor's, redirects, files over the
 * cap (as declared, as announced and as they come), more at once than stated, and what `decide.ts` refuses.
 */
import { decide } from './decide.ts'

/** Each may hold the cap in memory. */
const AT_ONCE = 4
/** The largest file at a slow megabyte a second. */
const TOTAL_MS = 30_000

export interface Attachment {
  readonly url: string
  readonly contentType?: string
  /** Bytes. */
  readonly size?: number
}

export interface AttachmentNeeds {
  readonly get: (
    url: string,
    options: {
      readonly cap: number
      readonly accept: string
      readonly authorization: string | undefined
      readonly totalMs: number
      readonly signal: AbortSignal
    },
  ) => Promise<
    | { readonly answered: true; readonly status: number; readonly body: Buffer }
    | { readonly answered: false; readonly code: string }
  >
  /** Most bytes of one file. */
  readonly cap: number
}

export interface Ask {
  readonly attachment: Attachment
  /** Hosts where the vendor keeps files, each to the letter. */
  readonly hosts: readonly string[]
  /** Bearer token for those hosts; sent to no other. */
  readonly token: string | undefined
  readonly signal: AbortSignal
}

export type Opened = { readonly bytes: Buffer } | { readonly problem: string }

export class Attachments {
  readonly #needs: AttachmentNeeds
  #underWay = 0

  constructor(needs: AttachmentNeeds) {
    this.#needs = needs
  }

  async open(ask: Ask): Promise<Opened> {
    const { attachment, hosts } = ask
    if (!isAt(attachment.url, hosts)) return no('its host is not one of this vendor')
    if ((attachment.size ?? 0) > this.#needs.cap) return no(`it is larger than ${this.#needs.cap} bytes`)
    if (this.#underWay >= AT_ONCE) return no(`${AT_ONCE} are under way, wanted fewer; ask again`)
    this.#underWay++
    try {
      return await this.#fetch(ask)
    } finally {
      this.#underWay--
    }
  }

  async #fetch({ attachment, token, signal }: Ask): Promise<Opened> {
    const { get, cap } = this.#needs
    const authorization = token === undefined ? undefined : `Bearer ${token}`
    const answer = await get(attachment.url, { cap, accept: '*/*', authorization, totalMs: TOTAL_MS, signal })
    if (!answer.answered) return no(`the vendor could not be read (${answer.code})`)
    if (answer.status !== 200) return no(`the vendor answered ${answer.status}, wanted 200`)
    const { verdict, reason } = decide(answer.body, attachment)
    return verdict === 'allow' ? { bytes: answer.body } : no(reason)
  }
}

/** The host of a URL is compared whole, with its port; where none is named, none is allowed. */
function isAt(url: string, hosts: readonly string[]): boolean {
  return URL.canParse(url) && hosts.includes(new URL(url).host)
}

function no(why: string): Opened {
  return { problem: `open the attachment: ${why}` }
}
