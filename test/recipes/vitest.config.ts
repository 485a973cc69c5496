import { defineConfig } from 'vitest/config'

/**
 * The recipes of examples/ with the real software: `npm run test:recipes`, a step of its own beside
 * `npm test`.
 */
export default defineConfig({
  test: {
    name: 'recipes',
    include: ['test/recipes/run.ts'],
    pool: 'forks',
    fileParallelism: false,
    // A condition that comes true ends the wait. A Java program starts in 8 s, and on a machine
    // with a load of 20 in 210 s.
    testTimeout: 180_000,
    hookTimeout: 600_000,
  },
})
