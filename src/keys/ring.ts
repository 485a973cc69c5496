/**
 * Owns the broker's signing keys and their rotation (next → active → retiring → retired), and is
 * the only place that signs. Rejects tokens of other issuers, types and algorithms, and of keys
 * that are no longer published.
 */
import { StoreUnavailable, type KeyState, type StoredSigningKey } from '../../db/types.ts'
import { ConfigError } from '../config/config.ts'
import type { Random } from '../runtime/ids.ts'
import type { SigningAlg } from '../protocol/names.ts'
import { allEnded, Readings } from '../runtime/concurrency.ts'
import { JWKS_MAX_AGE_SECONDS, type KeyRing, type Sealer } from './interface.ts'
import { importPublic, readUnverified, sameType, verifyCompact, type PublicKey } from './jws.ts'
import { adoptFiles, loadKeyFiles, type KeyStore } from './key-files.ts'
import {
  ALGS,
  exportPkcs8,
  importPkcs8,
  makeSigningKey,
  signCompact,
  signCompactAside,
  signingInput,
  type SigningKey,
} from './signing-key.ts'

/**
 * The time between publication and first signature of a key, which is longer than clients cache a
 * JWKS.
 */
export const PUBLISH_AHEAD_SECONDS = 24 * 3600
/**
 * The time for which a key stays published after its last signature. It is longer than any access
 * token lives, and than ID tokens are sent back as hints.
 */
export const KEEP_RETIRING_SECONDS = 48 * 3600
/**
 * The time for which a key that caches of the JWKS cannot know counts as new. It is short because
 * /jwks is not cached and rejected logout tokens are retried.
 */
const UNKNOWN_KEY_SECONDS = 600
/** The age at which an active key is replaced. */
export const ROTATE_AFTER_SECONDS = 90 * 24 * 3600

interface KeyRingInput {
  store: KeyStore
  sealer: Sealer
  random: Random
  clock: { now(): number }
  issuer: string
  /**
   * PKCS#8 PEM files to use instead of generated keys. The first key of an algorithm signs; further
   * ones are only published.
   */
  keyFiles?: readonly string[] | undefined
  /** Generates a key pair. Default: the system's generator. */
  makeKey?: ((alg: SigningAlg) => Promise<SigningKey>) | undefined
  /** Called with the keys that guards must drop at once. */
  onEmergency?: ((kids: string[]) => void) | undefined
}

/**
 * Opens the key ring: publishes the keys of files, loads the stored ones, and makes those that are
 * missing.
 * @throws Error with a message for the operator if a key file is unusable or a sealed key cannot be
 * opened
 */
export async function openKeyRing(input: KeyRingInput): Promise<KeyRing> {
  const files = await loadKeyFiles(input.keyFiles ?? [])
  const ring = new Ring(input, files)
  await ring.open()
  return ring
}

const place = (kid: string): string => `signing_keys/${kid}/private_sealed`
const PUBLISHED: readonly KeyState[] = ['next', 'active', 'retiring']

class Ring implements KeyRing {
  readonly #input: KeyRingInput
  readonly #files: ReadonlyMap<string, SigningKey>
  #rows: StoredSigningKey[] = []
  #active = new Map<SigningAlg, SigningKey>()
  #publicKeys = new Map<string, Promise<PublicKey>>()
  #headers = new Map<string, string>()
  readonly #readings = new Readings()
  /** Retired keys that were announced to guards or were in their first snapshot. */
  readonly #notified = new Set<string>()
  #jwks: { keys: Record<string, unknown>[] } = { keys: [] }

  constructor(input: KeyRingInput, files: ReadonlyMap<string, SigningKey>) {
    this.#input = input
    this.#files = files
  }

  async open(): Promise<void> {
    const { store, clock } = this.#input
    await adoptFiles(store, this.#files, clock.now(), KEEP_RETIRING_SECONDS)
    await this.#reload()
    await this.#completed()
    for (const kid of this.retiredKids()) this.#notified.add(kid)
  }

  /**
   * Activates a key for each algorithm that has none: a new store has no keys, and in a restored
   * one all are retired.
   */
  async #completed(): Promise<void> {
    const { store, clock } = this.#input
    const lacking = ALGS.filter((alg) => !this.#active.has(alg))
    await allEnded(
      lacking.map(async (alg) => {
        const { kid } = await this.#make(alg)
        const now = clock.now()
        await store.activateKey({ kid, retireAt: now + KEEP_RETIRING_SECONDS, now })
      }),
    )
    if (lacking.length > 0) await this.#reload()
  }

  async reload(): Promise<void> {
    await this.#reload()
    await this.#completed()
    this.#notify()
  }

  /** Announces keys that this or another broker retired, each once. */
  #notify(): void {
    const retired = this.retiredKids().filter((kid) => !this.#notified.has(kid))
    if (retired.length === 0) return
    for (const kid of retired) this.#notified.add(kid)
    this.#input.onEmergency?.(retired)
  }

  sign(alg: SigningAlg, typ: string, claims: Record<string, unknown>): string {
    return signCompact(...this.#signing(alg, typ, claims))
  }

  async signAside(alg: SigningAlg, typ: string, claims: Record<string, unknown>): Promise<string> {
    // An ES256 signature takes no longer than passing it to a thread.
    return (alg === 'RS256' ? signCompactAside : signCompact)(...this.#signing(alg, typ, claims))
  }

  /** Returns the active key and the input of the signature. */
  #signing(
    alg: SigningAlg,
    typ: string,
    claims: Record<string, unknown>,
  ): [key: SigningKey, input: string] {
    const key = this.#active.get(alg)
    // Happens briefly after a restore retired all keys, until new ones are made.
    if (!key)
      throw new StoreUnavailable(
        `There is no active ${alg} key. Try again; if the error stays, run cmb keys list.`,
      )
    const name = `${key.kid} ${typ}`
    let header = this.#headers.get(name)
    if (header === undefined) {
      header = Buffer.from(JSON.stringify({ alg, typ, kid: key.kid })).toString('base64url')
      this.#headers.set(name, header)
    }
    return [
      key,
      signingInput(
        header,
        claims.iss === undefined ? { iss: this.#input.issuer, ...claims } : claims,
      ),
    ]
  }

  jwks(): { keys: Record<string, unknown>[] } {
    return this.#jwks
  }

  async verify(
    jwt: string,
    expected: { typ: string; now: number; allowExpired?: boolean },
  ): Promise<Record<string, unknown> | undefined> {
    const header = readUnverified(jwt)?.header
    if (!header || !sameType(header.typ, expected.typ)) return undefined
    const row = this.#rows.find((each) => each.kid === header.kid && PUBLISHED.includes(each.state))
    if (!row || header.alg !== row.alg) return undefined
    const claims = await verifyCompact(jwt, await this.#publicKey(row), [row.alg])
    if (!claims || claims.iss !== this.#input.issuer || typeof claims.exp !== 'number')
      return undefined
    return claims.exp > expected.now || expected.allowExpired === true ? claims : undefined
  }

  signsWithNewKey(now: number): boolean {
    return this.#rows.some(
      (row) =>
        row.state === 'active' &&
        row.activatedAt !== undefined &&
        row.activatedAt - row.createdAt < JWKS_MAX_AGE_SECONDS &&
        now < row.activatedAt + UNKNOWN_KEY_SECONDS &&
        // The first key of an installation replaces no key that a cache could have kept.
        this.#rows.some(
          (other) =>
            other.alg === row.alg && other.kid !== row.kid && other.activatedAt !== undefined,
        ),
    )
  }

  async list(): Promise<StoredSigningKey[]> {
    await this.#reload()
    this.#notify()
    return structuredClone(this.#rows)
  }

  async rotate(
    alg: SigningAlg,
    how: 'next' | 'activate' | 'emergency',
    now: number,
  ): Promise<StoredSigningKey> {
    if (this.#heldByFile(alg)) {
      throw new Error(
        `The ${alg} key comes from a file, so the broker does not rotate it: put the next key's file first in the list and restart.`,
      )
    }
    await this.#reload()
    const before = this.#published(alg)
    const waiting = before.find((row) => row.state === 'next')
    // After an emergency, keys from before it are not trusted, including a next key.
    const next = how !== 'emergency' && waiting ? waiting : await this.#make(alg)
    if (how !== 'next') {
      const retireAt = how === 'emergency' ? now : now + KEEP_RETIRING_SECONDS
      await this.#input.store.activateKey({ kid: next.kid, retireAt, now })
    }
    if (how === 'emergency')
      for (const row of before) await this.#input.store.retireKey({ kid: row.kid, now })
    await this.#reload()
    this.#notify()
    return this.#rows.find((row) => row.kid === next.kid) ?? next
  }

  async retire(kid: string, now: number): Promise<boolean> {
    await this.#reload()
    const row = this.#rows.find((each) => each.kid === kid)
    if (!row || row.state === 'retired') return false
    if (row.state === 'active')
      throw new Error(
        `The key ${kid} is the one that signs. Rotate first, or rotate as an emergency: that retires it at once.`,
      )
    const retired = await this.#input.store.retireKey({ kid, now })
    await this.#reload()
    this.#notify()
    return retired
  }

  async tick(now: number): Promise<void> {
    await this.#reload()
    for (const row of this.#rows) {
      if (row.state === 'retiring' && (row.retireAt ?? 0) <= now)
        await this.#input.store.retireKey({ kid: row.kid, now })
    }
    for (const alg of ALGS) if (!this.#heldByFile(alg)) await this.#rotateWhenDue(alg, now)
    await this.#reload()
  }

  retiredKids(): string[] {
    return this.#rows.filter((row) => row.state === 'retired').map((row) => row.kid)
  }

  async #rotateWhenDue(alg: SigningAlg, now: number): Promise<void> {
    const rows = this.#published(alg)
    const next = rows.find((row) => row.state === 'next')
    if (next && next.createdAt + PUBLISH_AHEAD_SECONDS <= now) {
      await this.#input.store.activateKey({
        kid: next.kid,
        retireAt: now + KEEP_RETIRING_SECONDS,
        now,
      })
    } else if (!next) {
      const active = rows.find((row) => row.state === 'active')
      const due = (active?.activatedAt ?? 0) + ROTATE_AFTER_SECONDS - PUBLISH_AHEAD_SECONDS
      if (active && due <= now) await this.#make(alg, now)
    }
  }

  #published(alg: SigningAlg): StoredSigningKey[] {
    return this.#rows.filter((row) => row.alg === alg && PUBLISHED.includes(row.state))
  }

  #heldByFile(alg: SigningAlg): boolean {
    return [...this.#files.values()].some((key) => key.alg === alg)
  }

  async #make(alg: SigningAlg, now = this.#input.clock.now()): Promise<StoredSigningKey> {
    const { sealer, store, makeKey = makeSigningKey } = this.#input
    const key = await makeKey(alg)
    const privateSealed = sealer.seal(place(key.kid), exportPkcs8(key.privateKey))
    const row: StoredSigningKey = {
      kid: key.kid,
      alg,
      state: 'next',
      privateSealed,
      publicJwk: key.publicJwk,
      createdAt: now,
    }
    await store.addKey(row)
    return row
  }

  #reload(): Promise<void> {
    return this.#readings.take(
      () => this.#input.store.listKeys(),
      (rows) => this.#keep(rows),
    )
  }

  #keep(rows: StoredSigningKey[]): void {
    const active = new Map<SigningAlg, SigningKey>()
    for (const row of rows) {
      if (row.state !== 'active') continue
      const key = this.#active.get(row.alg)
      const loaded = key?.kid === row.kid ? key : this.#load(row)
      if (loaded) active.set(row.alg, loaded)
    }
    this.#rows = rows
    this.#active = active
    this.#jwks = {
      keys: rows.filter((row) => PUBLISHED.includes(row.state)).map((row) => row.publicJwk),
    }
  }

  /**
   * Returns the signing key of a row, or undefined if it came from a file that is no longer
   * configured. The caller then makes another key.
   */
  #load(row: StoredSigningKey): SigningKey | undefined {
    if (row.privateSealed === null) return this.#files.get(row.kid)
    const der = this.#input.sealer.open(place(row.kid), row.privateSealed)
    if (!der) {
      throw new ConfigError([
        {
          name: 'BROKER_SECRET',
          problem: `the store's signing key ${row.kid} was sealed under a secret that is not in it. Add that secret to the end of the list.`,
          example: '',
        },
      ])
    }
    return { kid: row.kid, alg: row.alg, publicJwk: row.publicJwk, privateKey: importPkcs8(der) }
  }

  #publicKey(row: StoredSigningKey): Promise<PublicKey> {
    let key = this.#publicKeys.get(row.kid)
    if (!key) this.#publicKeys.set(row.kid, (key = importPublic(row.publicJwk, row.alg)))
    return key
  }
}
