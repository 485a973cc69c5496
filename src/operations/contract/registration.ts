import { z } from 'zod'
import { clientIdSchema } from '../../clients/metadata-fields.ts'
import { wireSchema } from '../../clients/metadata.ts'
import { lock } from './shapes.ts'
import { seconds, text } from '../../protocol/described.ts'

/**
 * Members of an answer beside the metadata. They are ignored in a request, so that an answer can be
 * edited and sent back.
 */
export const besideMetadata = {
  source: text.meta({
    description: 'who owns the registration: file, command, api, demo or broker',
  }),
  secrets: z.array(z.object({ id: text, created_at: seconds, expires_at: seconds.optional() })),
  created_at: seconds,
  updated_at: seconds,
  lock: lock.optional().meta({ description: 'its open lock, in lists' }),
}
/** The members of a registration, with what each means. */
export const described = wireSchema(true)
export const client = described
  .extend({ client_id: clientIdSchema, ...besideMetadata })
  .meta({ id: 'Client' })
