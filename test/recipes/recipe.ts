import type { Registered, World } from './world.ts'

/** A recipe of examples/, run with the real software. */
export interface Recipe {
  name: string
  /** Why it is skipped on this machine; undefined where it runs. */
  missing: string | undefined
  /** The tested software, e.g. `nginx 1.22.1`. */
  version: () => string
  registered: readonly Registered[]
  /** Defines its tests. `note` adds to the closing lines of the run. */
  define: (world: () => World, note: (line: string) => void) => void
}
