import type { SignalIssuer } from '../../src/config/config.ts'

/**
 * The configuration of a broker that gets signals from these issuers alone, and asks Microsoft
 * nothing.
 */
export const signalsOf = (issuers: SignalIssuer[], probeEverySeconds = 0) => ({
  probeEverySeconds,
  graph: { tenants: [], origin: 'https://graph.microsoft.com/v1.0' },
  revokeAtMicrosoft: [],
  risk: [],
  issuers,
})
