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

/**
 * Returns matching entries as JSON lines, oldest first. They are read page by page as the client
 * receives them, so the size of the log does not matter.
 */
export function auditLines(
  deps: Pick<Deps, 'store'>,
  filter: Omit<Parameters<Deps['store']['listAudit']>[0], 'limit' | 'before'>,
): Response {
  let after = filter.after ?? 0
  const pace = pacing(LIMITS)
  const body = new ReadableStream<Uint8Array>({
    async pull(out) {
      const limit = pace.rows
      const entries = await deps.store.listAudit({ ...filter, after, limit })
      after = entries.at(-1)?.id ?? after
      if (entries.length > 0)
        out.enqueue(
          new TextEncoder().encode(
            entries.map((entry) => `${JSON.stringify(shown(auditEntry, entry))}\n`).join(''),
          ),
        )
      if (entries.length < limit) out.close()
      else await pace.rest()
    },
  })
  const headers = {
    'Content-Type': JSON_LINES,
    'Cache-Control': 'no-store',
    'Content-Disposition': 'attachment; filename="broker-audit.jsonl"',
  }
  return new Response(body, { headers: { ...headers, 'X-Content-Type-Options': 'nosniff' } })
}

/**
 * Returns a response that generates its lines as the client receives them, so their number does not
 * matter.
 */
export function linesResponse(lines: AsyncGenerator<string>): Response {
  const body = new ReadableStream<Uint8Array>({
    async pull(out) {
      const next = await lines.next()
      if (next.done === true) out.close()
      else out.enqueue(new TextEncoder().encode(next.value))
    },
    async cancel() {
      await lines.return(undefined)
    },
  })
  return new Response(body, {
    headers: {
      'Content-Type': JSON_LINES,
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
    },
  })
}
