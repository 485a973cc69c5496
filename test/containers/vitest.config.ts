import { defineConfig } from 'vitest/config'

/**
 * What a container engine runs of compose.yaml and the Dockerfile: `npm run test:containers`, a
 * step of its own beside `npm test`.
 */
export default defineConfig({
  resolve: {
    alias: { '@case-manager/guard': new URL('../../guard/src/index.ts', import.meta.url).pathname },
  },
  test: {
    name: 'containers',
    globalSetup: ['test/containers/engine.ts'],
    include: [
      'test/containers/run.ts',
      'test/containers/kubernetes.ts',
      'test/containers/patroni.ts',
    ],
    pool: 'forks',
    fileParallelism: false,
    // A condition that comes true ends the wait.
    testTimeout: 300_000,
    hookTimeout: 900_000,
  },
})
