import { isAuthContext } from './mfa-proof.ts'

/**
 * The authentication context that a fresh sign-in has to bring where a floor was raised for a security reason: its written form in the setting. One for
 * every tenant, or one for each tenant that is named.
 */

export type FreshContext = { all: string } | { byTenant: Readonly<Record<string, string>> }

export const FRESH_CONTEXT_EXPECTED =
  'must be none, an authentication context (c1 to c25), or a comma list of tenant=context (docs/fresh-sign-in.md says what it demands)'

/** Undefined: cannot be read. */
export function parseFreshContext(value: string): FreshContext | undefined {
  if (value === 'none') return { byTenant: {} }
  if (isAuthContext(value)) return { all: value }
  const byTenant: Record<string, string> = {}
  for (const part of value.split(',')) {
    const [, tid, context] = /^\s*([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})=(c\d+)\s*$/i.exec(part) ?? []
    if (tid === undefined || context === undefined || !isAuthContext(context) || byTenant[tid.toLowerCase()] !== undefined) return undefined
    byTenant[tid.toLowerCase()] = context
  }
  return { byTenant }
}

/** Undefined: the tenant demands none. */
export const freshContextOf = (demanded: FreshContext, tid: string): string | undefined =>
  'all' in demanded ? demanded.all : demanded.byTenant[tid.toLowerCase()]
