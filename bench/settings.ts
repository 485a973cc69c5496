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
