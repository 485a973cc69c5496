import { variablesOf } from './read.ts'
import type { ConfigProblem, Environment } from './setting.ts'
import { SETTINGS } from './settings.ts'

/**
 * Finds variables that begin with BROKER_ and that the broker does not read. Most are misspelled.
 */

/** Variables that Kubernetes sets in every pod next to a Service named "broker" or "broker-…". */
const SERVICE_LINK =
  /^BROKER_([A-Z0-9_]+_)?(SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$/

export function unknownSettings(env: Environment): ConfigProblem[] {
  const known = [...variablesOf(SETTINGS)]
  return Object.keys(env)
    .filter(
      (name) => name.startsWith('BROKER_') && !known.includes(name) && !SERVICE_LINK.test(name),
    )
    .toSorted()
    .map((name) => {
      const nearest = nearestName(name, known)
      return {
        name,
        problem: `is not a setting of this version; the nearest name is ${nearest}`,
        example: nearest,
      }
    })
}

function nearestName(name: string, known: readonly string[]): string {
  let [nearest, least] = ['', Infinity]
  // Names with the longest common prefix come first: the nearest name is usually among them, and
  // most others are then rejected early.
  const alike = known
    .map((candidate) => [sharedLetters(candidate, name), candidate] as const)
    .toSorted(([a], [b]) => b - a)
  for (const [, candidate] of alike) {
    const found =
      Math.abs(candidate.length - name.length) < least ? distance(name, candidate, least) : least
    if (found < least) [nearest, least] = [candidate, found]
  }
  return nearest
}

function sharedLetters(a: string, b: string): number {
  let shared = 0
  while (shared < a.length && a[shared] === b[shared]) shared++
  return shared
}

/**
 * Returns the Levenshtein distance: the fewest letters to insert, delete or replace.
 * @param least stops early and returns `least` if the distance is not lower
 */
function distance(a: string, b: string, least: number): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next.push(
        Math.min(
          (row[j] ?? 0) + 1,
          (next[j - 1] ?? 0) + 1,
          (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1),
        ),
      )
    if (Math.min(...next) >= least) return least
    row = next
  }
  return row[b.length] ?? 0
}
