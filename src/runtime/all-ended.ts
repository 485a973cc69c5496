/**
 * Waits until all have ended, also where one fails: what follows must not begin beside the others.
 * @throws what the first of those that failed, in their order, failed with
 */
export async function allEnded(acts: readonly Promise<unknown>[]): Promise<void> {
  for (const one of await Promise.allSettled(acts)) if (one.status === 'rejected') throw one.reason
}
