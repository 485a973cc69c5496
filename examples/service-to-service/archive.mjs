// An instance that is called by another: it answers with the user of the token (sub) and the caller
// (client_id).
import { listen } from './instance.mjs'

await listen(async ({ client_id, sub }) => ({ status: 200, body: { sub, client_id } }))
