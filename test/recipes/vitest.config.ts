import { defineConfig } from 'vitest/config'

/** The recipes of examples/ with the real software: `npm run test:recipes`, a step of its own beside `npm test`. */
export default defineConfig({
  test: {
    name: 'recipes',
    include: ['test/recipes/run.ts'],
    pool: 'forks',
    fileParallelism: false,
    // A condition that comes true ends the wait; a busy machine starts a Java program in a minute.
    testTimeout: 180_000,
    hookTimeout: 300_000,
  },
})
