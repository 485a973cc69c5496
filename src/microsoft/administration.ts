import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { Config } from '../config/config.ts'
import type { Connection } from './connection.ts'
import { graphResource, signInReturn } from './registration.ts'

/** What an administrator needs of Microsoft that no sign-in does: where consent is granted. */

/**
 * Directory roles whose holders can consent for a whole tenant. Every user's `wids` has some id;
 * only these roles can consent.
 */
const CONSENTING_ROLES: Readonly<Record<string, string>> = {
  '62e90394-69f5-4237-9190-012177145e10': 'Global Administrator',
  'e8611ab8-c189-46e8-94e1-60213ab1f814': 'Privileged Role Administrator',
  '9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3': 'Application Administrator',
  '158c047a-c907-4556-b7ef-446551a6b5f7': 'Cloud Application Administrator',
}
/** The name of a role that can consent for the tenant, if these `wids` have one. */
export const consentingRole = (wids: readonly string[]): string | undefined =>
  wids.flatMap((wid) => CONSENTING_ROLES[wid.toLowerCase()] ?? []).at(0)

/** Directory roles whose holders see and change a tenant's Conditional Access policies. */
const POLICY_ROLES: Readonly<Record<string, string>> = {
  '62e90394-69f5-4237-9190-012177145e10': 'Global Administrator',
  'b1be1c3e-b65d-4f19-8427-f6fa0d97feb9': 'Conditional Access Administrator',
  '194ae4cb-b126-40b2-bd5b-6091b380977d': 'Security Administrator',
}
/** The name of a role whose holder may say what the tenant's policies demand. */
export const policyRole = (wids: readonly string[]): string | undefined =>
  wids.flatMap((wid) => POLICY_ROLES[wid.toLowerCase()] ?? []).at(0)

interface Need {
  config: Pick<Config, 'entra' | 'issuer'>
  connection: () => Connection
}

export interface Administration {
  /** Entra's page on which an administrator of that tenant consents for every user. */
  adminConsentUrl(input: { tid: string; state: string }): string
}

export function createAdministration(need: Need): Administration {
  return {
    adminConsentUrl({ tid, state }) {
      const url = new URL(`${need.config.entra.authority}/${tid}/v2.0/adminconsent`)
      url.search = new URLSearchParams({
        client_id: need.connection().clientId ?? '',
        // All that the registration asks for, application permissions included.
        scope: `${graphResource(need.config.entra.authority)}/.default`,
        redirect_uri: signInReturn(need.config.issuer),
        state,
      }).toString()
      return url.href
    },
  }
}

/** A certificate with its private key, as it is pasted: what is wrong with it, or nothing. */
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
