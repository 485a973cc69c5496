import type { Registered, World } from './world.ts'

/** A recipe of examples/, run with the real software. */
export interface Recipe {
  name: string
  /** Why it is left out on this machine; undefined where it runs. */
  missing: string | undefined
  /** What it was tested with, e.g. `nginx 1.22.1`. */
  version: () => string
  registered: readonly Registered[]
  /** Defines its tests. `note` is for the closing lines of the run. */
  define: (world: () => World, note: (line: string) => void) => void
}
