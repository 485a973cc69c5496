import type { ConsoleRequest } from './layout.tsx'

/** Addresses of the console's pages, and what is asked for in one. */

export function linkOf(path: string, query: Record<string, string> = {}): string {
  const text = new URLSearchParams(query).toString()
  return text === '' ? path : `${path}?${text}`
}
export const userLink = (sub: string, query: Record<string, string> = {}): string =>
  linkOf(`/ops/users/${encodeURIComponent(sub)}`, query)
export const sessionLink = (sub: string, sid: string): string => userLink(sub, { session: sid })
export const clientLink = (clientId: string): string =>
  `/ops/clients/${encodeURIComponent(clientId)}`
export const caseLink = (caseReference: string): string =>
  linkOf('/ops/revocations', { case: caseReference })

/** A filter of a list, without what the user typed around it. */
export const asked = ({ c }: ConsoleRequest, name: string): string | undefined =>
  c.req.query(name)?.trim().slice(0, 200) || undefined
