import type { Deps } from '../deps.ts'
import { createSealer } from '../keys/sealer.ts'
import { examineTenants } from './tenants.ts'
import { examineClients } from './clients.ts'
import type { Finding } from './finding.ts'
import { readClientsFile } from '../client/read-clients-file.ts'
import type { Readiness } from './readiness.ts'

/** What `cmb doctor` says from inside a running broker. It changes nothing. */
export async function examine(deps: Deps, readiness: () => Promise<Readiness>): Promise<Finding[]> {
  const [report, tenants, secrets, keys, file, deliveries, clients] = await Promise.all([
    readiness(),
    examineTenants(deps),
    examineSecrets(deps),
    examineKeys(deps),
    examineFile(deps),
    examineDeliveries(deps),
    examineClients(deps),
  ])
  return [...examineSettings(deps), ...examineParts(report), ...tenants, ...secrets, ...keys, ...file, ...deliveries, ...clients]
}

function examineParts({ parts }: Readiness): Finding[] {
  const mend = {
    store: 'Free some space on the disk of BROKER_DATA_DIR and see that the broker may write there; it goes on by itself.',
    queue: 'Start the queue server that BROKER_QUEUE_URL names, or leave that unset and install valkey-server; pending deliveries then go out.',
    microsoft:
      'What is missing: set it (docs/configuration.md), or open /setup with what cmb setup prints. What cannot be reached: let the broker reach the authority over https (proxy, firewall, DNS).',
  }
  const found: Finding[] = (['store', 'queue', 'microsoft'] as const).map((name) => {
    const { state, problem, engine } = parts[name]
    if (state === 'up') return { name, state: 'good', found: engine === undefined ? 'Up.' : `Up (${engine}).` }
    return { name, state: 'bad', found: problem ?? 'Down.', mend: mend[name] }
  })
  if (parts.queue.engine === 'postgres') {
    found.push({
      name: 'queue',
      state: 'warning',
      found: 'The queue runs on the embedded Postgres, which is for trying and testing.',
      mend: 'Install valkey-server, or set BROKER_QUEUE_URL to a Redis or Valkey with AOF and noeviction.',
    })
  }
  return found
}

function examineSettings({ config, connection }: Deps): Finding[] {
  const found: Finding[] = [{ name: 'settings', state: 'good', found: `Read; the issuer is ${config.issuer}.` }]
  const warn = (when: boolean, words: string, mend: string): void => {
    if (when) found.push({ name: 'settings', state: 'warning', found: words, mend })
  }
  warn(
    config.entra.simulated,
    'Microsoft is simulated: whoever signs in has proved nothing.',
    'Unset BROKER_ENTRA_SIMULATED and BROKER_ENTRA_AUTHORITY before real users use it.',
  )
  warn(
    config.issuer.startsWith('http:'),
    'The issuer is plain http, which is for one machine alone.',
    'Put a TLS proxy in front and set BROKER_ISSUER to its https address.',
  )
  warn(
    config.allowLoopbackTargets,
    'Logout addresses may be loopback or http (BROKER_ALLOW_LOOPBACK_TARGETS).',
    'Unset it where instances run on other machines.',
  )
  warn(
    connection.current().operatorTenant === undefined,
    'There is no operators’ tenant: nobody has the roles of an operator.',
    'Choose it at /setup, or set BROKER_OPERATOR_TENANT to the tenant whose Broker.Operator and Broker.Administrator roles count.',
  )
  for (const words of connection.differences()) warn(true, words, 'The store counts. Make the setting say the same, or leave it out.')
  return found
}

/** An old secret can go when no key is sealed under it and the longest session that could hold something of it has ended. */
async function examineSecrets(deps: Deps): Promise<Finding[]> {
  const { config, store, clock } = deps
  const [current] = config.secrets
  const since = await secretSince(deps)
  if (current === undefined || config.secrets.length < 2) return [{ name: 'secrets', state: 'good', found: 'One secret is set.' }]
  const alone = createSealer([current])
  const held = (await store.listKeys()).filter(
    (key) =>
      key.state !== 'retired' && key.privateSealed !== null && alone.open(`signing_keys/${key.kid}/private_sealed`, key.privateSealed) === undefined,
  )
  if (held.length > 0) {
    return [
      {
        name: 'secrets',
        state: 'warning',
        found: `An old secret still seals ${held.length} signing key(s): ${held.map((key) => key.kid).join(', ')}.`,
        mend: 'Keep it. cmb keys rotate ES256 --activate (and RS256) makes keys under the new secret; the old ones go after 48 hours.',
      },
    ]
  }
  const tenants = await store.listTenants()
  const longest = Math.max(
    ...Object.values(config.limits),
    ...tenants.flatMap((tenant) => [tenant.absoluteSeconds ?? 0, tenant.staySignedInSeconds ?? 0]),
  )
  const free = since + longest
  if (clock.now() < free) {
    return [
      {
        name: 'secrets',
        state: 'warning',
        found: `Sessions opened under an old secret may live until ${new Date(free * 1000).toISOString()}.`,
        mend: 'Keep it until then.',
      },
    ]
  }
  return [
    {
      name: 'secrets',
      state: 'warning',
      found: 'Nothing needs the old secret any more.',
      mend: 'Remove all but the first from BROKER_SECRET and restart.',
    },
  ]
}

/** When this broker was first seen under its current secret. Called at start, so that it is known when somebody asks. */
export async function secretSince({ sealer, store, clock }: Pick<Deps, 'sealer' | 'store' | 'clock'>): Promise<number> {
  const id = sealer.macKeys('secret-since')[0]?.id ?? 'none'
  return Number(await store.setSettingOnce(`secret_since/${id}`, String(clock.now())))
}

async function examineKeys({ keys, clock }: Deps): Promise<Finding[]> {
  const rows = await keys.list()
  return (['ES256', 'RS256'] as const).map((alg): Finding => {
    const active = rows.find((key) => key.alg === alg && key.state === 'active')
    if (active === undefined) return { name: `key ${alg}`, state: 'bad', found: 'There is no active key.', mend: `cmb keys rotate ${alg} --activate` }
    const days = Math.floor((clock.now() - (active.activatedAt ?? active.createdAt)) / 86_400)
    if (days <= 100) return { name: `key ${alg}`, state: 'good', found: `${active.kid} signs since ${days} day(s).` }
    return {
      name: `key ${alg}`,
      state: 'warning',
      found: `${active.kid} signs since ${days} days; 90 are meant.`,
      mend: `cmb keys rotate ${alg}; where it comes from a file, put a new one first in the list.`,
    }
  })
}

async function examineFile({ config }: Deps): Promise<Finding[]> {
  if (config.clientsFile === undefined) return []
  const read = await readClientsFile(config.clientsFile, { allowLoopback: config.allowLoopbackTargets })
  if (read.ok) return [{ name: 'clients file', state: 'good', found: `${read.clients.length} client(s) in ${config.clientsFile}.` }]
  return [
    {
      name: 'clients file',
      state: 'bad',
      found: `Not in use, the last good one is: ${read.problems.join(' ')}`,
      mend: `Mend ${config.clientsFile}; it is read again by itself.`,
    },
  ]
}

async function examineDeliveries({ store }: Deps): Promise<Finding[]> {
  const counts = (await store.deliveryCounts()).filter(({ state, count }) => (state === 'failed' || state === 'rejected') && count > 0)
  return counts.map(({ clientId, state, count }) => ({
    name: `deliveries to ${clientId}`,
    state: 'warning',
    found: `${count} are ${state}.`,
    mend: `cmb deliveries list --client ${clientId} --state ${state} says why; then cmb deliveries redrive --client ${clientId}.`,
  }))
}
