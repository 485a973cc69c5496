import { EnvHttpProxyAgent, fetch as fetchBy } from 'undici'

/** Requests over https by way of the proxy in front of the internet (HTTPS_PROXY), except to the hosts of NO_PROXY. */

export interface ProxySettings {
  https: string
  noProxy: string
}

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
    // The same class by another name: Node's own fetch is an older undici, which takes no agent of this one.
    fetch: (url, init) => fetchBy(url, { ...init, dispatcher } as Parameters<typeof fetchBy>[1]) as unknown as Promise<Response>,
    close: () => dispatcher.destroy(),
  }
}
