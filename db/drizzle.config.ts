import { defineConfig } from 'drizzle-kit'

/** Paths are from the repository's root: `drizzle-kit generate --config db/drizzle.config.ts`. */
export default defineConfig({ dialect: 'sqlite', schema: './db/schema.ts', out: './db/migrations' })
