import { randomBytes } from 'node:crypto'
import { registration } from '../src/microsoft/registration.ts'
import { APP_CLIENT_ID, APP_CLIENT_SECRET, type AppSeed } from './entra/users.ts'

/**
 * The settings of a broker whose Microsoft is simulated, and the broker's registration at that
 * Microsoft.
 */

interface SimulatedBroker {
  issuer: string
  port: number
  operatorsPort: number
  dataDir: string
  clientsFile: string
  /** The address of the simulated Microsoft. */
  authority: string
  /** Tenant ids. Operators belong to the first. */
  tenants: readonly string[]
}

export const environmentOf = ({
  issuer,
  port,
  operatorsPort,
  dataDir,
  clientsFile,
  authority,
  tenants,
}: SimulatedBroker) => ({
  BROKER_ISSUER: issuer,
  BROKER_LISTEN: `127.0.0.1:${port}`,
  BROKER_OPS_LISTEN: `127.0.0.1:${operatorsPort}`,
  BROKER_SECRET: randomBytes(32).toString('hex'),
  BROKER_DATA_DIR: dataDir,
  BROKER_CLIENTS_FILE: clientsFile,
  BROKER_ALLOW_LOOPBACK_TARGETS: 'yes',
  BROKER_ENTRA_AUTHORITY: authority,
  BROKER_ENTRA_SIMULATED: 'yes',
  BROKER_ENTRA_TENANT: tenants.join(','),
  BROKER_ENTRA_CLIENT_ID: APP_CLIENT_ID,
  BROKER_ENTRA_CLIENT_SECRET: APP_CLIENT_SECRET,
  BROKER_OPERATOR_TENANT: tenants[0] ?? '',
  BROKER_MFA_PROOF: 'auth_context:c1,phr:c5',
  // Microsoft's signals arrive within a minute, so that a user can watch their effect.
  BROKER_GRAPH: 'yes',
  BROKER_GRAPH_ORIGIN: `${authority}/graph/v1.0`,
  BROKER_PROBE_MINUTES: '1',
})

export function applicationOf(issuer: string): AppSeed {
  const { redirectUris, logoutUrl } = registration(issuer)
  return { redirectUris, logoutUrl }
}
