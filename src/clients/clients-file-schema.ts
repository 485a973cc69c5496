import { explained } from '../protocol/explained.ts'
import { clientMetadataJsonSchema } from './metadata.ts'

/**
 * Returns the JSON Schema (2020-12) of the clients file, for editors and for checks before a
 * rollout. It is derived from the broker's own validation and published as
 * docs/clients.schema.json.
 */
export function clientsFileJsonSchema(): Record<string, unknown> {
  const { $schema, properties, required, ...rest } = clientMetadataJsonSchema() as {
    $schema?: unknown
    properties: Record<string, unknown>
    required?: string[]
  }
  const hash = { type: 'string', pattern: '^[A-Za-z0-9_-]{43}$' }
  const client = {
    ...rest,
    properties: {
      ...properties,
      client_secret_hash: {
        description:
          'SHA-256 of a secret in base64url (cmb clients new-secret makes both); two at most.',
        anyOf: [hash, { type: 'array', items: hash, maxItems: 2 }],
      },
      client_secret_file: {
        description: 'A file that holds a secret, relative to this one; two at most.',
        anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' }, maxItems: 2 }],
      },
    },
    required: ['client_id', ...(required ?? []).filter((name) => name !== 'client_id')],
  }
  return explained({
    $schema: $schema ?? 'https://json-schema.org/draft/2020-12/schema',
    title: 'Clients of Case Manager Identity Broker',
    description: 'The file that BROKER_CLIENTS_FILE names. YAML or JSON.',
    type: 'object',
    properties: { clients: { type: 'array', items: client } },
    required: ['clients'],
    additionalProperties: false,
  })
}
