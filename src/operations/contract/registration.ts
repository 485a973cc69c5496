import { z } from 'zod'
import { clientIdSchema } from '../../clients/metadata-fields.ts'
import { wireSchema } from '../../clients/metadata.ts'
import { lock } from './shapes.ts'
import { seconds, text } from '../../protocol/described.ts'

/** The members of a registration, with what each means. */
export const described = wireSchema(true)
export const client = described
  .extend({
    client_id: clientIdSchema,
    source: text,
    secrets: z.array(
      z.object({
        id: text,
        created_at: seconds,
        expires_at: seconds.optional(),
        used_at: seconds.optional(),
      }),
    ),
    created_at: seconds,
    updated_at: seconds,
    lock: lock.optional(),
  })
  .meta({ id: 'Client' })
