/**
 * The bytes of one body as they come. In: chunks, however small. Out: the whole, joined once. Refuses nothing; who counts
 * the bytes decides how many may come.
 */

/** Chunks below this are copied together: each kept by itself costs some 500 bytes, however few it brings. */
const PAGE_BYTES = 4_096

export class Chunks {
  readonly #kept: Buffer[] = []
  #page = Buffer.alloc(0)
  #used = 0

  add(chunk: Buffer): void {
    // The first is kept as it is: most bodies come whole, and are then never copied.
    if (this.#kept.length + this.#used === 0 || chunk.length >= PAGE_BYTES) {
      this.#turn()
      this.#kept.push(chunk)
      return
    }
    if (this.#used + chunk.length > this.#page.length) {
      this.#turn()
      this.#page = Buffer.allocUnsafe(PAGE_BYTES)
    }
    this.#used += chunk.copy(this.#page, this.#used)
  }

  joined(): Buffer {
    this.#turn()
    const [first] = this.#kept
    return this.#kept.length === 1 && first !== undefined ? first : Buffer.concat(this.#kept)
  }

  #turn(): void {
    if (this.#used > 0) this.#kept.push(this.#page.subarray(0, this.#used))
    this.#page = Buffer.alloc(0)
    this.#used = 0
  }
}
