/**
 * Names a request, so that its answer, its log lines and its refusals can be found together. In: randomness. Out: an id that
 * nobody outside chose. Refuses nothing: an id that the caller sends is not looked at, or he could forge another's trail.
 */
import { randomUUID } from 'node:crypto'

/** `req_` and 32 hexadecimal digits. 122 random bits. `randomUUID` keeps a pool: no system call for each. */
export function newRequestId(random: () => string = randomUUID): string {
  return `req_${random().replaceAll('-', '')}`
}
