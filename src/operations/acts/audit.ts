import { pacing } from '../../../db/engine/pace.ts'
import { auditEntry } from '../contract/shapes.ts'
import { shown } from '../contract/wire.ts'
import type { Deps } from '../deps.ts'

/** Exports the audit log. */

export const JSON_LINES = 'application/jsonl'
/**
 * Pages of at most 500 rows, each followed by a pause of half its duration: an export uses up to
 * two thirds of the time.
 */
const LIMITS = { most: 500, pause: 0.5 }

/** Returns matching entries as JSON lines, oldest first. */
export async function* auditLines(
  { store }: Pick<Deps, 'store'>,
  filter: Omit<Parameters<Deps['store']['listAudit']>[0], 'limit' | 'before' | 'after'>,
): AsyncGenerator<string> {
  const pace = pacing(LIMITS)
  for (let after: number | undefined = 0; after !== undefined; await pace.rest()) {
    const limit = pace.rows
    const entries = await store.listAudit({ ...filter, after, limit })
    yield entries.map((entry) => `${JSON.stringify(shown(auditEntry, entry))}\n`).join('')
    after = entries.length < limit ? undefined : entries.at(-1)?.id
  }
}

/**
 * Returns a response that generates its lines as the client receives them, so their number does not
 * matter.
 * @param name the name under which a browser saves it
 */
export function linesResponse(lines: AsyncGenerator<string>, name: string): Response {
  const body = new ReadableStream<string>({
    async pull(out) {
      const next = await lines.next()
      if (next.done === true) out.close()
      else out.enqueue(next.value)
    },
    async cancel() {
      await lines.return(undefined)
    },
  })
  return new Response(body.pipeThrough(new TextEncoderStream()), {
    headers: {
      'Content-Type': JSON_LINES,
      'Cache-Control': 'no-store',
      'Content-Disposition': `attachment; filename="broker-${name}.jsonl"`,
      'X-Content-Type-Options': 'nosniff',
    },
  })
}
