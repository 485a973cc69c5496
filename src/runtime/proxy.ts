import { EnvHttpProxyAgent, fetch as undiciFetch } from 'undici'

/** Requests over https by way of the proxy in front of the internet (HTTPS_PROXY), except to the hosts of NO_PROXY. */

export interface ProxySettings {
  https: string
  noProxy: string
}

/** Undici's own `fetch`, with the types of Node's: Node's takes no agent of another undici. */
const fetchThrough = undiciFetch as unknown as (
  url: string,
  init: Omit<RequestInit, 'dispatcher'> & { dispatcher: EnvHttpProxyAgent },
) => Promise<Response>

type Options = ConstructorParameters<typeof EnvHttpProxyAgent>[0]

/** `httpProxy` is empty and not unset: undici would take it from the environment. */
export const proxyAgent = ({ https, noProxy }: ProxySettings, options: Options = {}): EnvHttpProxyAgent =>
  new EnvHttpProxyAgent({ ...options, httpProxy: '', httpsProxy: https, noProxy })

/** `fetch`, by way of the proxy. */
export function proxiedFetch(
  settings: ProxySettings,
  options: Options = {},
): { fetch: (url: string, init: RequestInit) => Promise<Response>; close(): Promise<void> } {
  const dispatcher = proxyAgent(settings, options)
  return {
    fetch: (url, init) => fetchThrough(url, { ...init, dispatcher }),
    close: () => dispatcher.destroy(),
  }
}
