import type { Deps } from '../deps.ts'
import { probePause } from '../microsoft/probe-pause.ts'

/**
 * What is up and what is down, for /readyz, the console, `cmb doctor` and the admin API alike. Only the store makes the broker unable to
 * serve. Without its queue it is degraded and still ready: sign-in works, and a revocation is effective at commit and owed in the store; without Microsoft
 * nobody new comes in, but whoever is in stays, and is signed out as ever. To take such a broker out of rotation would end both.
 */
export interface Part {
  state: 'up' | 'down' | 'not_connected'
  /** In words, what is wrong and what follows from it. */
  problem?: string
  engine?: string
  /** Where the settings say otherwise than the store, which counts. */
  differences?: string[]
}

export interface Readiness {
  status: 'ready' | 'degraded' | 'unavailable'
  parts: { store: Part; queue: Part; microsoft: Part }
}

const PROBE_MS = 5_000
const METADATA_FRESH_MS = 30_000

type ReadinessDeps = Pick<Deps, 'store' | 'queue' | 'microsoft' | 'connection' | 'clock' | 'log'>

/** @returns a function that looks; Microsoft's metadata at most once in 30 s, however often it is asked */
export function createReadiness(deps: ReadinessDeps): () => Promise<Readiness> {
  const microsoft = remembered(deps)
  return async () => {
    const [store, queue, reached, paused] = await Promise.all([storePart(deps), queuePart(deps), microsoft(), pausedProbes(deps)])
    const entra =
      paused === undefined ? reached : { ...reached, state: 'down' as const, problem: [reached.problem, paused].filter(Boolean).join(' ') }
    const differences = deps.connection.differences()
    const parts = { store, queue, microsoft: differences.length === 0 ? entra : { ...entra, differences } }
    const status = store.state !== 'up' ? 'unavailable' : queue.state === 'up' && entra.state === 'up' ? 'ready' : 'degraded'
    return { status, parts }
  }
}

/** Whose sessions are not probed, because the alarm was raised; undefined where nobody's. Not known while the store is down, which is said of itself. */
async function pausedProbes({ store, connection }: ReadinessDeps): Promise<string | undefined> {
  const pauses = await Promise.all(connection.current().tenants.map((tid) => probePause(store, tid))).catch(() => [])
  const words = pauses.flatMap((pause) =>
    pause === undefined
      ? []
      : [
          `The probe of tenant ${pause.tid} is paused since ${new Date(pause.at * 1000).toISOString()}, because it would have signed out more than 5 % of its users within 10 minutes${pause.code === undefined ? '' : ` (AADSTS${pause.code})`}: a disabled account may go unnoticed. Look at the tenant's policies, then: cmb tenants resume-probe ${pause.tid}.`,
        ],
  )
  return words.length === 0 ? undefined : words.join(' ')
}

async function storePart(deps: ReadinessDeps): Promise<Part> {
  try {
    await within(PROBE_MS, deps.store.probe(), 'It did not answer within 5 seconds.')
    return { state: 'up' }
  } catch (error) {
    deps.log.warn('store_probe_failed', { problem: message(error) })
    return {
      state: 'down',
      problem: `The store cannot commit: ${message(error)} Nothing can be signed in, refreshed or revoked. Look at the disk of the data directory.`,
    }
  }
}

async function queuePart(deps: ReadinessDeps): Promise<Part> {
  try {
    const { up, engine, problem } = await within(PROBE_MS, deps.queue.health(), 'It did not answer within 5 seconds.')
    if (up) return { state: 'up', engine }
    return {
      state: 'down',
      engine,
      problem: `${problem ?? 'The queue server does not answer.'} Revocations are effective at once and their deliveries stay pending; logout tokens go out when it is back.`,
    }
  } catch (error) {
    return {
      state: 'down',
      problem: `The queue server: ${message(error)} Revocations are effective at once and their deliveries stay pending; logout tokens go out when it is back.`,
    }
  }
}

/** One look serves all who ask while it runs and for 30 s after. */
function remembered(deps: ReadinessDeps): () => Promise<Part> {
  let last: { atMs: number; part: Promise<Part> } | undefined
  return () => {
    const nowMs = deps.clock.nowMs()
    if (last === undefined || nowMs - last.atMs >= METADATA_FRESH_MS) last = { atMs: nowMs, part: microsoftPart(deps) }
    return last.part
  }
}

async function microsoftPart(deps: ReadinessDeps): Promise<Part> {
  const readiness = deps.microsoft.readiness()
  if (!readiness.connected)
    return {
      state: 'not_connected',
      problem: `Not connected to Microsoft yet; missing: ${readiness.missing.map((one) => one.replace(/\.$/, '')).join('; ')}. Nobody can sign in until it is.`,
    }
  try {
    const tenants = await within(PROBE_MS, deps.microsoft.checkMetadata(), 'No answer within 5 seconds.')
    const bad = tenants.filter((tenant) => !tenant.ok)
    if (bad.length === 0) return { state: 'up' }
    return {
      state: 'down',
      problem: `${bad.map((tenant) => `${tenant.tid}: ${tenant.problem ?? 'metadata not reached'}`).join('; ')}. Nobody of theirs can sign in; sessions go on.`,
    }
  } catch (error) {
    return { state: 'down', problem: `Microsoft's metadata: ${message(error)} Nobody can sign in; sessions go on.` }
  }
}

export const message = (error: unknown): string => (error instanceof Error ? error.message : String(error)).replace(/[.\s]*$/, '.')

/** The answer, or an error after `ms`: a part that hangs is down. */
export async function within<T>(ms: number, promise: Promise<T>, words: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(words)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
