import type { SignalIssuer } from '../../src/config/config.ts'

/**
 * Returns the configuration of a broker that gets signals only from these issuers, and sends
 * Microsoft no requests.
 */
export const signalsOf = (issuers: SignalIssuer[], probeEverySeconds = 0) => ({
  probeEverySeconds,
  graph: { tenants: [], origin: 'https://graph.microsoft.com/v1.0' },
  revokeAtMicrosoft: [],
  risk: [],
  issuers,
})
