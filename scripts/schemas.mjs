/** Writes the JSON Schemas of the clients file and of webhooks to docs: `npm run docs:schemas`. */
import { writeFileSync } from 'node:fs'
import { clientsFileJsonSchema } from '../src/clients/clients-file-schema.ts'
import { webhookJsonSchema } from '../src/protocol/webhook-event.ts'

const schemas = { clients: clientsFileJsonSchema(), webhooks: webhookJsonSchema() }
for (const [name, schema] of Object.entries(schemas))
  writeFileSync(
    new URL(`../docs/${name}.schema.json`, import.meta.url),
    `${JSON.stringify(schema, null, 2)}\n`,
  )
