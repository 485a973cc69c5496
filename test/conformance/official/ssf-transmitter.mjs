// Runs a Shared Signals transmitter plan of the official suite against the broker. It needs no
// browser. node ssf-transmitter.mjs CONFIG.json OUT.json PLAN push|poll [only,these,modules] Env:
// EVENT (a command that revokes a session, run when a module waits for events), SUITE
// (https://localhost.emobix.co.uk:8443).
import fs from 'node:fs'
import { execSync } from 'node:child_process'
import { count, runPlan, waitFor } from './plan.mjs'
const [configFile, outFile, planName, mode = 'push', only] = process.argv.slice(2)
const variant = {
  ssf_delivery_mode: mode,
  ssf_auth_mode: 'dynamic',
  ssf_server_metadata: 'discovery',
  client_registration: 'static_client',
  server_metadata: 'discovery',
  client_auth_type: 'client_secret_post',
}
const results = await runPlan(
  { planName, variant, config: JSON.parse(fs.readFileSync(configFile, 'utf8')), only },
  async (id) => {
    let asked = false
    await waitFor(id, ({ log }) => {
      if (
        asked ||
        process.env.EVENT === undefined ||
        !log.some(({ msg }) => /Please trigger these events/.test(msg ?? ''))
      )
        return
      asked = true
      execSync(process.env.EVENT, { stdio: 'inherit' })
    })
  },
)
fs.writeFileSync(outFile, JSON.stringify({ planName, variant, results }, null, 1))
console.log(planName, mode, count(results))
