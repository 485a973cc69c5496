import { resolveQuickly } from '../db/resolve-quickly.ts'

/** Once in each worker, as cmb does: its test files share what it imports. */
resolveQuickly()
