/**
 * Statements of one transaction that need nothing of each other. In: the work of each. Out: all their results, once all have
 * ended. Refuses with the first failure in their order, and not before the last has ended, so that none runs on in a
 * transaction that is being taken back. They are sent at once and done in order: one way to the store and back for all.
 */
type Work<T extends readonly unknown[]> = { readonly [K in keyof T]: () => Promise<T[K]> }

export async function together<T extends readonly unknown[]>(...work: Work<T>): Promise<T> {
  // A throw before the first await is a failure like any other.
  const outcomes = await Promise.allSettled(work.map(async (one) => await one()))
  // A boundary: a list mapped over a list has its shape.
  return outcomes.map(valueOf) as unknown as T
}

function valueOf(outcome: PromiseSettledResult<unknown>): unknown {
  if (outcome.status === 'rejected') throw outcome.reason
  return outcome.value
}
