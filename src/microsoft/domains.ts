import { good } from './graph-answer.ts'
import type { FederatedDomain, Graph } from './interface.ts'
import type { Answer } from './transport.ts'

/**
 * Reads how a tenant's federated domains treat `prompt=login`. Their own identity provider signs
 * users in and may do so without a page.
 */

/** The most domains that are read, because each takes one request to Graph. */
const MOST = 20

type Get = (tid: string, path: string) => Promise<Answer>

export function domainReader(get: Get): Pick<Graph, 'federatedDomains'> {
  return {
    async federatedDomains(tid) {
      const federated = rowsOf(await get(tid, '/domains?$select=id,authenticationType')).filter(
        (row) => row.authenticationType === 'Federated',
      )
      const found: FederatedDomain[] = []
      for (const { id } of federated.slice(0, MOST)) {
        if (typeof id !== 'string') continue
        const [configuration] = rowsOf(
          await get(tid, `/domains/${encodeURIComponent(id)}/federationConfiguration`),
        )
        found.push({ domain: id, promptLogin: promptLoginOf(configuration?.promptLoginBehavior) })
      }
      return found
    },
  }
}

/** Returns what Entra does with `prompt=login`. An absent or unknown value proves nothing. */
function promptLoginOf(value: unknown): FederatedDomain['promptLogin'] {
  if (value === 'disabled') return 'ignored'
  return value === 'translateToFreshPasswordAuthentication' || value === 'nativeSupport'
    ? 'asked'
    : 'unknown'
}

function rowsOf(answer: Answer): Record<string, unknown>[] {
  const { value } = good(answer).body
  return Array.isArray(value)
    ? value.filter(
        (candidate): candidate is Record<string, unknown> =>
          typeof candidate === 'object' && candidate !== null,
      )
    : []
}
