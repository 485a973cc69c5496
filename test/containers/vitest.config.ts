import { defineConfig } from 'vitest/config'

/**
 * The tests of compose.yaml and the Dockerfile in a container engine: `npm run test:containers`, a
 * separate step beside `npm test`.
 */
export default defineConfig({
  resolve: {
    alias: { '@case-manager/guard': new URL('../../guard/src/index.ts', import.meta.url).pathname },
  },
  test: {
    name: 'containers',
    globalSetup: ['test/containers/engine.ts'],
    include: [
      'test/containers/image.ts',
      'test/containers/run.ts',
      'test/containers/kubernetes.ts',
      'test/containers/workload.ts',
      'test/containers/patroni.ts',
    ],
    pool: 'forks',
    fileParallelism: false,
    // The limits are long, because a wait ends as soon as its condition is true.
    testTimeout: 300_000,
    hookTimeout: 900_000,
  },
})
