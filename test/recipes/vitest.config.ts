import { defineConfig } from 'vitest/config'

/**
 * The recipes of examples/ with the real software: `npm run test:recipes`, a separate step beside
 * `npm test`.
 */
export default defineConfig({
  test: {
    name: 'recipes',
    include: ['test/recipes/run.ts'],
    pool: 'forks',
    fileParallelism: false,
    // A wait ends as soon as its condition is true. A Java program starts in 8 s, and in 210 s on a
    // machine with a load of 20.
    testTimeout: 180_000,
    hookTimeout: 600_000,
  },
})
