/**
 * Ends the wait for a transaction's body that does not end. In: the body's promise and a limit. Out: its result. Refuses,
 * with `StoreUnavailable`, once the limit has passed; the body itself goes on, but its transaction takes no more of it.
 */
import { StoreUnavailable } from './store.ts'

export async function withinLimit<T>(work: Promise<T>, limitMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new StoreUnavailable('write to the store: it took too long')), limitMs)
  })
  try {
    return await Promise.race([work, limit])
  } finally {
    clearTimeout(timer)
  }
}
