import { createHmac, randomBytes } from 'node:crypto'
import type { Clock } from '../../src/runtime/clock.ts'
import { BoundedMap } from './bounded.ts'
import {
  newApp,
  newUser,
  USERS,
  TENANTS,
  type AppRegistration,
  type AppSeed,
  type User,
  type UserSeed,
  type Tenant,
} from './users.ts'
import { DEFAULTS, type Area, type Switches } from './switches.ts'

/**
 * The state of the simulated Microsoft: in memory, bounded, lost when the process ends. It is
 * independent of HTTP.
 */

/** The result of one sign-in, which every token of its grant carries. */
export interface SignIn {
  grantId: string
  oid: string
  tid: string
  clientId: string
  /** The id of Microsoft's session in that browser. */
  sid: string
  authTime: number
  mfa: boolean
  acrs: string[]
  kmsi: boolean | undefined
  scope: string
  offline: boolean
  generation: number
}

export interface Change {
  seq: number
  tid: string
  oid: string
  kind: 'updated' | 'deleted'
}

interface WorldOptions {
  origin: string
  tenants?: readonly Tenant[] | undefined
  users?: readonly UserSeed[] | undefined
  apps?: readonly AppSeed[] | undefined
  clock?: Clock | undefined
}

const MAX_SIGN_INS = 200_000
const MAX_CHANGES = 10_000
const SYSTEM_CLOCK: Clock = { now: () => Math.floor(Date.now() / 1000), nowMs: () => Date.now() }

export class World {
  readonly origin: string
  readonly tenants: readonly Tenant[]
  readonly apps = new Map<string, AppRegistration>()
  readonly clock: Clock
  switches: Switches = structuredClone(DEFAULTS)
  /**
   * The user as whom every authorization completes without pages; `*` is the one that `login_hint`
   * names.
   */
  auto: string | null = null
  readonly signIns: BoundedMap<string, SignIn>
  /** Consents of single users: tenant, `oid` and client (`consentKey`). */
  readonly personalConsent = new Set<string>()
  readonly changes: Change[] = []
  #seq = 0
  readonly #byUpn = new Map<string, User>()
  readonly #byOid = new Map<string, User>()
  readonly #listeners = new Set<(change: Change) => void>()
  readonly #pairwiseKey = randomBytes(32)

  constructor(options: WorldOptions) {
    this.origin = options.origin
    this.tenants = options.tenants ?? TENANTS
    this.clock = options.clock ?? SYSTEM_CLOCK
    this.signIns = new BoundedMap(MAX_SIGN_INS)
    for (const seed of options.users ?? USERS) this.addUser(seed)
    for (const seed of options.apps ?? []) {
      const app = newApp(seed)
      this.apps.set(app.clientId, app)
    }
  }

  now(): number {
    return this.clock.now() + this.switches.clockSkewSeconds
  }

  addUser(seed: UserSeed): User {
    const user = newUser(seed)
    this.#byUpn.set(user.upn.toLowerCase(), user)
    this.#byOid.set(`${user.tid}/${user.oid}`, user)
    return user
  }

  users(): User[] {
    return [...this.#byUpn.values()]
  }

  userOf(upn: string): User | undefined {
    return this.#byUpn.get(upn.trim().toLowerCase())
  }

  userById(tid: string, oid: string): User | undefined {
    return this.#byOid.get(`${tid}/${oid}`)
  }

  /**
   * Returns a tenant by its id or verified domain. `organizations` and `common` are not tenants.
   */
  tenant(named: string): Tenant | undefined {
    const wanted = named.toLowerCase()
    return this.tenants.find((tenant) => tenant.tid === wanted || tenant.domain === wanted)
  }

  issuerOf(tid: string): string {
    return `${this.origin}/${tid}/v2.0`
  }

  /** Returns the opaque value of the `login_hint` claim. */
  loginHintOf(user: User): string {
    return `O.${this.#mac(`hint/${user.tid}/${user.oid}`)}`
  }

  userOfHint(hint: string): User | undefined {
    return hint.startsWith('O.')
      ? this.users().find((user) => this.loginHintOf(user) === hint)
      : this.userOf(hint)
  }

  pairwiseSub(tid: string, oid: string, clientId: string): string {
    return this.#mac(`sub/${tid}/${oid}/${clientId}`)
  }

  /** Records a change and notifies Graph's followers. */
  changed(user: User, kind: Change['kind']): void {
    const change: Change = { seq: ++this.#seq, tid: user.tid, oid: user.oid, kind }
    this.changes.push(change)
    if (this.changes.length > MAX_CHANGES) this.changes.splice(0, this.changes.length - MAX_CHANGES)
    for (const listener of this.#listeners) listener(change)
  }

  get changeSeq(): number {
    return this.#seq
  }

  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  down(area: Area): boolean {
    return this.switches.outage.includes(area)
  }

  #mac(text: string): string {
    return createHmac('sha256', this.#pairwiseKey).update(text).digest('base64url')
  }
}
