import { randomBytes } from 'node:crypto'

/** Returns the settings of a broker that a benchmark starts, without a connection to Microsoft. */
export const brokerSettings = (dataDir: string, port: number): Record<string, string> => ({
  BROKER_ISSUER: `http://localhost:${port}`,
  BROKER_LISTEN: `127.0.0.1:${port}`,
  BROKER_OPS_LISTEN: '127.0.0.1:0',
  BROKER_SECRET: randomBytes(32).toString('hex'),
  BROKER_DATA_DIR: dataDir,
  BROKER_ALLOW_LOOPBACK_TARGETS: 'yes',
})

/** The redirect URI and the PKCE verifier of every client and code of the benches. */
export const REDIRECT_URI = 'http://127.0.0.1/callback'
export const VERIFIER = 'a-verifier-that-is-long-enough-for-rfc-7636-section-4-1'
