/**
 * Secrets made to be searched for. In: a label for each. Out: text that exists nowhere else, and a search of any bytes for
 * it, as it stands and as programs respell it. Refuses nothing; what it finds it names by label, with what stands around.
 */
import { randomBytes } from 'node:crypto'

/** Characters of a found place that are shown to each side. */
const AROUND = 60

export interface Hit {
  readonly label: string
  readonly spelling: string
  readonly place: string
  readonly around: string
}

/** Where to look. */
export interface Haystack {
  readonly place: string
  readonly bytes: Buffer
}

export class Canaries {
  /** All of ours begin so: one search finds every one of them. */
  readonly #mark = `k${randomBytes(8).toString('hex')}`
  readonly #labels: string[] = []
  /** Secrets that the gate made itself, by label. */
  readonly #foreign = new Map<string, string>()

  /** A fresh one. Letters and digits alone, so that it fits wherever a secret, an id or a text goes. */
  plant(label: string): string {
    this.#labels.push(label)
    return `${this.#mark}n${String(this.#labels.length).padStart(4, '0')}`
  }

  /** Also look for this, which somebody else chose. */
  watch(label: string, text: string): void {
    if (text.length < 16) throw new Error(`watch ${label}: it is too short to be told from chance`)
    this.#foreign.set(label, text)
  }

  get count(): number {
    return this.#labels.length + this.#foreign.size
  }

  /** Every canary in `haystacks`. */
  search(haystacks: readonly Haystack[]): Hit[] {
    const needles = [
      ...spellings(this.#mark).map((needle) => ({ ...needle, label: '' })),
      ...[...this.#foreign].flatMap(([label, text]) =>
        spellings(text).map((needle) => ({ ...needle, label })),
      ),
    ]
    return haystacks.flatMap(({ place, bytes }) =>
      needles.flatMap(({ spelling, bytes: needle, label }) => {
        const at = bytes.indexOf(needle)
        if (at < 0) return []
        const around = bytes
          .subarray(Math.max(0, at - AROUND), at + needle.length + AROUND)
          .toString('latin1')
        return [{ label: label === '' ? this.#labelIn(bytes, at) : label, spelling, place, around }]
      }),
    )
  }

  #labelIn(bytes: Buffer, at: number): string {
    const number = /n(\d{4})/.exec(
      bytes.subarray(at + this.#mark.length, at + this.#mark.length + 5).toString('latin1'),
    )
    return this.#labels[Number(number?.[1]) - 1] ?? 'one of ours'
  }
}

interface Needle {
  readonly spelling: string
  readonly bytes: Buffer
}

/** `text` as it may stand in files, dumps and answers. */
export function spellings(text: string): readonly Needle[] {
  const plain = Buffer.from(text)
  const hex = plain.toString('hex')
  const ways: (readonly [string, string | Buffer])[] = [
    ['plain', plain],
    ['upper case', text.toUpperCase()],
    ['lower case', text.toLowerCase()],
    ['hex', hex],
    ['upper hex', hex.toUpperCase()],
    ['UTF-16', Buffer.from(text, 'utf16le')],
    ['backwards', Array.from(text).toReversed().join('')],
    ['percent', encodeURIComponent(text)],
    ['JSON', JSON.stringify(text).slice(1, -1)],
    ...[0, 1, 2].map((shift) => [`base64 at ${shift}`, base64At(plain, shift)] as const),
    ...[0, 1, 2].map((shift) => [`base64url at ${shift}`, urlSafe(base64At(plain, shift))] as const),
  ]
  const distinct = new Map(ways.map(([spelling, way]) => [Buffer.from(way).toString('latin1'), spelling]))
  return [...distinct].map(([bytes, spelling]) => ({ spelling, bytes: Buffer.from(bytes, 'latin1') }))
}

/** What of the base64 of any text that holds `bytes` after `shift` others (modulo 3) does not depend on its neighbours. */
function base64At(bytes: Buffer, shift: number): string {
  const whole = Buffer.concat([Buffer.alloc(shift), bytes])
    .toString('base64')
    .replace(/=+$/, '')
  const from = shift === 0 ? 0 : shift + 1
  const spare = (shift + bytes.length) % 3
  return whole.slice(from, spare === 0 ? undefined : -1)
}

function urlSafe(text: string): string {
  return text.replaceAll('+', '-').replaceAll('/', '_')
}

/** Two flocks: what only the gate may know, and what it hands on to the app. */
export interface Planted {
  readonly secrets: Canaries
  readonly texts: Canaries
}
