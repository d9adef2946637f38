/**
 * Lines of a byte stream, for JSON Lines. In: chunks. Out: each line's bytes, in order, without its line break. A line
 * over the cap comes out as `undefined`: skipped to its end, never held. Splits at LF only, as JSON may hold U+2028.
 */

const LF = 0x0a

export async function* linesOf(
  chunks: AsyncIterable<Uint8Array>,
  cap: number,
): AsyncGenerator<Buffer | undefined> {
  let held: Buffer[] = []
  let size = 0
  const take = (): Buffer | undefined => {
    const line = size > cap ? undefined : Buffer.concat(held)
    held = []
    size = 0
    return line
  }
  const keep = (bytes: Buffer): void => {
    size += bytes.length
    if (size > cap) held = []
    else held.push(bytes)
  }
  for await (const chunk of chunks) {
    let rest = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    for (let end = rest.indexOf(LF); end >= 0; end = rest.indexOf(LF)) {
      keep(rest.subarray(0, end))
      rest = rest.subarray(end + 1)
      yield take()
    }
    if (rest.length > 0) keep(rest)
  }
  if (size > 0) yield take()
}
