import { z } from 'zod'

/** What the checks answer, as /openapi.json describes it. */

const part = z.object({
  state: z.enum(['up', 'down', 'not_connected']),
  problem: z.string().optional().meta({ description: 'what is wrong and what follows' }),
  engine: z.string().optional(),
  differences: z.array(z.string()).optional(),
})
export const findingSchema = z
  .object({
    check: z.string().meta({ description: 'the id of the check: docs/checks.md' }),
    about: z.string().optional().meta({ description: 'the thing, where a check looks at several' }),
    state: z.enum(['ok', 'unknown', 'warning', 'failed']),
    found: z.string(),
    fix: z.string().optional().meta({ description: 'what to do' }),
    tid: z.string().optional().meta({ description: 'the tenant it is about' }),
    engine: z.string().optional().meta({ description: 'the kind of queue server' }),
  })
  .meta({ id: 'Finding' })

export const readinessSchema = z
  .object({
    status: z
      .enum(['ready', 'degraded', 'unavailable', 'ending'])
      .meta({ description: 'ending: it was asked to end, and serves for BROKER_DRAIN_SECONDS more' }),
    parts: z.object({ store: part, queue: part, microsoft: part }),
    checks: z.array(findingSchema).meta({ description: 'every warning and failure' }),
  })
  .meta({ id: 'Readiness' })
