import type { MfaProof } from './microsoft/door.ts'

/** The settings of one broker, read from the environment once. Every problem is reported at once, with the variable's name and an example. */

export interface Address {
  host: string
  port: number
}

export type EntraCredential =
  | { kind: 'secret'; secret: string }
  | { kind: 'certificate'; file: string }
  | { kind: 'federated'; file: string }

export interface Config {
  /** `https://…` (http only on localhost), no trailing slash. */
  issuer: string
  listen: Address
  opsListen: Address
  /** CIDRs or addresses whose X-Forwarded-For and -Proto count. */
  trustedProxies: string[]
  /** Raw values of BROKER_SECRET, current first. */
  secrets: Buffer[]
  entra: {
    /** The allow-list: GUIDs, lower case. Empty: not connected. */
    tenants: string[]
    clientId: string | undefined
    credential: EntraCredential | undefined
    /** `https://login.microsoftonline.com`, or with `simulated` another (http allowed), no trailing slash. */
    authority: string
    simulated: boolean
  }
  mfaProof: MfaProof
  operatorTenant: string | undefined
  clientsFile: string | undefined
  dataDir: string
  queueUrl: string | undefined
  /** Defaults; a tenant may have its own. */
  limits: { idleSeconds: number; absoluteSeconds: number; staySignedInSeconds: number }
  /** Logout targets and `jwks_uri` may be loopback or http: the demo, and development on one machine. */
  allowLoopbackTargets: boolean
}
