import type { JWK } from 'jose'

/**
 * The tenants, users and application with which the simulated Microsoft starts. Everything here is
 * made up, passwords included.
 */

export interface Tenant {
  tid: string
  /** The verified domain, by which an authority may name the tenant. */
  domain: string
  name: string
}

export interface User {
  upn: string
  name: string
  tid: string
  oid: string
  password: string
  note: string
  /** For a guest: the account in its home tenant. */
  home: { tid: string; oid: string } | undefined
  mfa: 'none' | 'authenticator'
  accountEnabled: boolean
  deleted: boolean
  /**
   * True if the user is assigned to the application. Otherwise the sign-in fails with AADSTS50105.
   */
  assigned: boolean
  /** App roles. */
  roles: string[]
  /** Directory role template ids. */
  wids: string[]
  /**
   * Rises with each event that revokes refresh tokens. A grant from a lower generation is invalid.
   */
  grantGeneration: number
  /**
   * Rises with each event that ends Microsoft's own browser sessions, which includes a password
   * change by the user.
   */
  browserGeneration: number
  createdAt: number
  /** When Identity Protection found the user at high risk, epoch seconds. */
  riskSince: number | undefined
  /** Graph's `lastPasswordChangeDateTime`, epoch seconds. */
  passwordChangedAt: number
  /**
   * Graph's `signInSessionsValidFromDateTime`, epoch seconds: the account's creation, until a
   * revocation.
   */
  sessionsValidFrom: number
}

export const CONTOSO: Tenant = {
  tid: '11111111-1111-4111-8111-111111111111',
  domain: 'contoso.example',
  name: 'Contoso',
}
export const FABRIKAM: Tenant = {
  tid: '22222222-2222-4222-8222-222222222222',
  domain: 'fabrikam.example',
  name: 'Fabrikam',
}
/** The one tenant of all personal Microsoft accounts; its id is Microsoft's. */
export const PERSONAL: Tenant = {
  tid: '9188040d-6c67-4c5b-b112-36a304b66dad',
  domain: 'outlook.example',
  name: 'Personal accounts',
}
export const TENANTS: readonly Tenant[] = [CONTOSO, FABRIKAM, PERSONAL]

export const GLOBAL_ADMINISTRATOR = '62e90394-69f5-4237-9190-012177145e10'
/** The role in the `wids` of every user without a directory role. */
export const ORDINARY_MEMBER = 'b79fbf4d-3ef9-4689-8143-76b194e85509'

export type UserSeed = Pick<User, 'upn' | 'name' | 'tid' | 'oid'> & Partial<User>

export function newUser(seed: UserSeed): User {
  const createdAt = seed.createdAt ?? Date.UTC(2024, 0, 15, 9) / 1000
  return {
    password: `${seed.upn.split('@')[0]}-demo`,
    note: '',
    home: undefined,
    mfa: 'authenticator',
    accountEnabled: true,
    deleted: false,
    assigned: true,
    roles: [],
    wids: [],
    grantGeneration: 0,
    browserGeneration: 0,
    riskSince: undefined,
    passwordChangedAt: createdAt,
    sessionsValidFrom: createdAt,
    ...seed,
    createdAt,
  }
}

const oid = (last: string): string => `00000000-0000-4000-8000-${last.padStart(12, '0')}`
const contoso = (name: string, id: string, rest: Partial<User>): UserSeed => ({
  upn: `${name.split(' ')[0]!.toLowerCase()}@${CONTOSO.domain}`,
  name,
  tid: CONTOSO.tid,
  oid: oid(id),
  roles: ['CaseManager.User'],
  ...rest,
})

export const USERS: readonly UserSeed[] = [
  contoso('Alice Adams', 'a11c', { note: 'has MFA, uses Case Manager' }),
  contoso('Bob Brown', 'b0b', { note: 'has MFA, uses Case Manager' }),
  contoso('Olivia Okafor', '011a', {
    note: 'has MFA, operates the broker',
    roles: ['CaseManager.User', 'Broker.Operator'],
  }),
  contoso('Adam Archer', 'ada', {
    note: 'has MFA, administers the broker and is Global Administrator of Contoso',
    roles: ['CaseManager.User', 'Broker.Administrator'],
    wids: [GLOBAL_ADMINISTRATOR],
  }),
  contoso('Mia Moreau', '31a', { note: 'has no MFA: cannot sign in', mfa: 'none' }),
  contoso('Dan Dahl', 'da4', { note: 'account disabled: cannot sign in', accountEnabled: false }),
  contoso('Una Ueda', '41a', {
    note: 'not assigned to the application: cannot sign in',
    assigned: false,
    roles: [],
  }),
  {
    upn: `faye@${FABRIKAM.domain}`,
    name: 'Faye Fischer',
    tid: FABRIKAM.tid,
    oid: oid('fa1e'),
    note: 'has MFA, in the other tenant, Fabrikam',
    roles: ['CaseManager.User'],
  },
  {
    upn: `felix@${FABRIKAM.domain}`,
    name: 'Felix Farrow',
    tid: FABRIKAM.tid,
    oid: oid('fe11'),
    wids: [GLOBAL_ADMINISTRATOR],
    note: 'has MFA, Global Administrator of Fabrikam',
    roles: ['CaseManager.User'],
  },
  {
    upn: `tara@${FABRIKAM.domain}`,
    name: 'Tara Tanaka',
    tid: FABRIKAM.tid,
    oid: oid('7a4a'),
    note: 'has MFA, administers the users of Fabrikam at /tenant',
    roles: ['CaseManager.User', 'Broker.TenantAdministrator'],
  },
  {
    upn: `pat@${PERSONAL.domain}`,
    name: 'Pat Personal',
    tid: PERSONAL.tid,
    oid: oid('ba7'),
    note: 'a personal Microsoft account: cannot sign in',
  },
]

export interface AppSecret {
  value: string
  /** Epoch seconds. */
  expiresAt?: number
}
/** A credential by the issuer of a workload, which the application trusts. */
export interface FederatedCredential {
  issuer: string
  subject: string
  audience?: string
  jwks: { keys: JWK[] }
}

export interface AppRegistration {
  clientId: string
  name: string
  homeTid: string
  secrets: AppSecret[]
  /** PEM, X.509. */
  certificates: string[]
  federated: FederatedCredential[]
  redirectUris: string[]
  /** The front-channel logout address. */
  logoutUrl?: string
  assignmentRequired: boolean
  /**
   * Application permissions that the registration requests. A tenant's administrator consents to
   * them.
   */
  graphRoles: string[]
}

export const APP_CLIENT_ID = 'ca5e0000-0000-4000-8000-00000000b60c'
export const APP_CLIENT_SECRET = 'simulated~secret.of-the-broker'

export type AppSeed = Pick<AppRegistration, 'redirectUris'> & Partial<AppRegistration>

export function newApp(seed: AppSeed): AppRegistration {
  return {
    clientId: APP_CLIENT_ID,
    name: 'Case Manager',
    homeTid: CONTOSO.tid,
    secrets: [{ value: APP_CLIENT_SECRET }],
    certificates: [],
    federated: [],
    assignmentRequired: true,
    graphRoles: ['User.Read.All', 'User.RevokeSessions.All'],
    ...seed,
  }
}
