/**
 * Judges a database after a crash. In: snapshots, one after another. Out: nothing. Refuses a delivery that is there in part,
 * twice, or without its audit entry; a gap or a break in the chain; anything of a delivery that is not in the inbox.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { chained, GENESIS } from '@gatehouse/proof/chain.ts'
import type { Ledger, Marks, Snapshot } from './ledger.ts'

/** One under the digest of what was signed, one under the sender's id. */
const NAMES_OF_ONE = 2

export class Witness {
  readonly #ledger: Ledger
  /** Delivery by the key that the sender's id is remembered under. */
  readonly byKey = new Map<string, string>()
  readonly deliveries = new Set<string>()
  /** Request ids of accepted deliveries. */
  readonly acceptedBy = new Set<string>()
  #marks: Marks = { delivery: '', seq: 0 }
  #hash: Buffer = GENESIS

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  /** Looks at what is new since the last look. */
  async look(): Promise<void> {
    const seen = await this.#ledger.snapshot(this.#marks)
    const leaves = this.#verifyChain(seen)
    assert.deepEqual(
      new Set(leaves),
      new Set(seen.inbox),
      'each delivery has its audit entry, and no other has one',
    )
    assert.equal(leaves.length, seen.inbox.length, 'each delivery was accepted once')
    assertEach(seen.inbox, seen.replay, NAMES_OF_ONE, 'names in the replay memory')
    assertEach(seen.inbox, seen.dispatch, 1, 'dispatches')
    for (const { key, delivery } of seen.replay) this.byKey.set(key, delivery)
    for (const id of seen.inbox) this.deliveries.add(id)
    this.#marks = { delivery: seen.inbox.at(-1) ?? this.#marks.delivery, seq: seen.head.seq }
  }

  /** Answers the targets of new `delivery.accepted` entries. */
  #verifyChain({ audit, head }: Snapshot): string[] {
    const targets: string[] = []
    for (const [i, { seq, entry, hash }] of audit.entries()) {
      assert.equal(seq, this.#marks.seq + 1 + i, 'the sequence has no gap')
      this.#hash = chained(this.#hash, entry)
      assert.deepEqual(hash, this.#hash, `the chain holds at ${seq}`)
      // A boundary: entries are canonical JSON of this form.
      const said = JSON.parse(entry) as { action: string; target: string; requestId: string }
      if (said.action !== 'delivery.accepted') continue
      targets.push(said.target)
      this.acceptedBy.add(said.requestId)
    }
    assert.deepEqual(
      head,
      { seq: this.#marks.seq + audit.length, hash: this.#hash },
      'the head is the last entry',
    )
    return targets
  }

  /** The delivery that stands for what a sender was acknowledged. */
  deliveryOf(channel: string, senderId: string): string | undefined {
    const hash = createHash('sha256').update(`id\n${channel}\n`).update(senderId)
    return this.byKey.get(hash.digest().subarray(0, 16).toString('hex'))
  }
}

function assertEach(
  ids: readonly string[],
  rows: readonly { readonly delivery: string }[],
  count: number,
  what: string,
): void {
  const counted = new Map(ids.map((id) => [id, 0]))
  for (const { delivery } of rows) counted.set(delivery, (counted.get(delivery) ?? Number.NaN) + 1)
  const wrong = [...counted].filter(([, n]) => n !== count)
  assert.deepEqual(wrong, [], `${what} of each delivery, and of nothing else`)
}
