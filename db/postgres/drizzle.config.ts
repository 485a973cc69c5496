import { defineConfig } from 'drizzle-kit'

/** Paths are from the repository's root: `drizzle-kit generate --config db/postgres/drizzle.config.ts`. */
export default defineConfig({ dialect: 'postgresql', schema: './db/postgres/schema.ts', out: './db/postgres/migrations' })
