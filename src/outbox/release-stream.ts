import type { Deps } from './deps.ts'

/** Rows of one transaction. */
const PAGE = 200

/** Makes due what a push stream kept while it was paused or not verified, and hurries it. Nothing unless the stream is pushing. */
export async function releaseStream(
  { store, queue }: Pick<Deps, 'store' | 'queue'>,
  id: string,
  stillGoing: () => boolean = () => true,
): Promise<void> {
  while (stillGoing()) {
    const refs = await store.releaseStream({ id, limit: PAGE })
    if (refs.length === 0) return
    queue.hurry(refs)
  }
}
