import { z } from 'zod'

/** What the checks answer, as /openapi.json describes it. */

const part = z.object({
  state: z.enum(['up', 'down', 'not_connected']),
  problem: z.string().optional().meta({ description: 'what is wrong and what follows' }),
  engine: z.string().optional(),
  differences: z.array(z.string()).optional(),
})
export const readinessSchema = z
  .object({ status: z.enum(['ready', 'degraded', 'unavailable']), parts: z.object({ store: part, queue: part, microsoft: part }) })
  .meta({ id: 'Readiness' })

export const findingSchema = z
  .object({
    name: z.string(),
    state: z.enum(['good', 'warning', 'bad']),
    found: z.string(),
    mend: z.string().optional().meta({ description: 'what to do' }),
  })
  .meta({ id: 'Finding' })
