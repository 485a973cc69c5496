import { defineConfig } from 'vitest/config'

/** The documentation, executed: `npm run test:docs`, a separate step beside `npm test`. */
export default defineConfig({
  test: {
    name: 'documented',
    include: ['test/documented/run.ts'],
    pool: 'forks',
    maxConcurrency: 2,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
})
