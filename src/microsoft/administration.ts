import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { Config } from '../config/config.ts'
import type { Connection } from './connection.ts'
import { graphResource, signInReturn } from './registration.ts'

/** Helps an administrator to set Entra up: consent for a tenant, roles, and certificates. */

/**
 * Directory roles whose holders can consent for a whole tenant. A user's `wids` always contain some
 * id, but only these count.
 */
const CONSENTING_ROLES: Readonly<Record<string, string>> = {
  '62e90394-69f5-4237-9190-012177145e10': 'Global Administrator',
  'e8611ab8-c189-46e8-94e1-60213ab1f814': 'Privileged Role Administrator',
  '9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3': 'Application Administrator',
  '158c047a-c907-4556-b7ef-446551a6b5f7': 'Cloud Application Administrator',
}
/** Returns the name of a role among these `wids` that can consent for the tenant. */
export const consentingRole = (wids: readonly string[]): string | undefined =>
  wids.flatMap((wid) => CONSENTING_ROLES[wid.toLowerCase()] ?? []).at(0)

/** Directory roles whose holders can read and change a tenant's Conditional Access policies. */
const POLICY_ROLES: Readonly<Record<string, string>> = {
  '62e90394-69f5-4237-9190-012177145e10': 'Global Administrator',
  'b1be1c3e-b65d-4f19-8427-f6fa0d97feb9': 'Conditional Access Administrator',
  '194ae4cb-b126-40b2-bd5b-6091b380977d': 'Security Administrator',
}
/**
 * Returns the name of a role among these `wids` whose holder may declare what the tenant's policies
 * require.
 */
export const policyRole = (wids: readonly string[]): string | undefined =>
  wids.flatMap((wid) => POLICY_ROLES[wid.toLowerCase()] ?? []).at(0)

/**
 * Returns the address of Entra's page on which an administrator consents for all users of the
 * tenant.
 */
export function adminConsentUrl(
  { entra, issuer }: Pick<Config, 'entra' | 'issuer'>,
  { clientId = '' }: Pick<Connection, 'clientId'>,
  { tid, state }: { tid: string; state: string },
): string {
  const query = new URLSearchParams({
    client_id: clientId,
    // Requests everything in the app registration, application permissions included.
    scope: `${graphResource(entra.authority)}/.default`,
    redirect_uri: signInReturn(issuer),
    state,
  })
  return `${entra.authority}/${tid}/v2.0/adminconsent?${query}`
}

/** Returns what is wrong with a pasted certificate and private key, or undefined. */
export function problemOfPem(pem: string, nowMs: number): string | undefined {
  try {
    const certificate = new X509Certificate(pem)
    const key = createPrivateKey(pem)
    if (key.asymmetricKeyType !== 'rsa')
      return 'The private key is not an RSA key, and Entra accepts no other. Make a certificate with an RSA key.'
    if (!certificate.checkPrivateKey(key)) return 'The private key is not that of the certificate.'
    if (Date.parse(certificate.validTo) <= nowMs) return 'The certificate has expired.'
    return undefined
  } catch {
    return 'Paste both in PEM: the unencrypted private key and the certificate, beginning with -----BEGIN.'
  }
}
