import { setFlagsFromString } from 'node:v8'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { CHROMIUM } from './test/needs.ts'
import { HAS_POSTGRES } from './test/postgres.ts'

const alias = {
  ...Object.fromEntries(
    ['express', 'fastify', 'hono', 'next', 'node'].map((name) => [
      `@case-manager/guard/${name}`,
      new URL(`./guard/src/${name}.ts`, import.meta.url).pathname,
    ]),
  ),
  '@case-manager/guard': new URL('./guard/src/index.ts', import.meta.url).pathname,
}

/**
 * Room for young objects in the workers' threads, in MB: a test's objects live about as long as it
 * does. With V8's 16 MB most of them were copied to the old space first, and collecting both took
 * 17 % of the CPU time of tests over HTTP.
 */
setFlagsFromString('--min-semi-space-size=32')
setFlagsFromString('--max-semi-space-size=64')

/**
 * What a condition may take to come true on a busy machine. A test that waits for one ends as soon
 * as it is true.
 */
const poll = { timeout: 20_000, interval: 20 }

/**
 * No retries: a flaky test is a bug. `unit` runs in this process against real SQLite files and real
 * HTTP. Its files share a worker's modules, because evaluating them again for every file took half
 * of the CPU time (277 s against 136 s); `test/alone.ts` checks that no file leaves anything
 * behind. `process` starts whole processes (broker, queue server, Chromium), three files beside
 * each other, because each waits for a part of its time. `alone` has those that measure times, or
 * do what a lease of a second decides: on a small machine, two beside each other would measure each
 * other.
 */
const unit = {
  setupFiles: ['test/alone.ts'],
  pool: 'threads' as const,
  isolate: false,
  // One more than the small machine's two cores: some tests wait for timers more than they compute.
  maxWorkers: 3,
  restoreMocks: true,
  unstubEnvs: true,
  unstubGlobals: true,
  testTimeout: 120_000,
  hookTimeout: 120_000,
  expect: { poll },
}

/**
 * The tests over HTTP that the store decides, once more on Postgres: what is used once, rotated,
 * revoked, limited, locked or followed. The acts themselves run on both engines in test/store.
 */
const onPostgres = {
  resolve: { alias },
  test: {
    ...unit,
    name: 'postgres',
    include: [
      'test/token/{code,dpop,endpoint,introspect-revoke-userinfo,model,refresh,removed-client,token-exchange}.test.ts',
      'test/{logout,session}/*.test.ts',
      'test/revocation/{feed,feed-assertion,feed-lasting,feed-lease,feed-sessions,user-evidence}.test.ts',
      'test/signin/{floor,flow,locked,new-device,pushed,session-limit}.test.ts',
      'test/{signin,signal}/nul-character.test.ts',
      'test/console/delivery.test.ts',
    ],
    env: { BROKER_TEST_STORE: 'postgres' },
  },
}

const ALONE = ['chaos', 'planned-restart', 'postgres-failover'].map(
  (name) => `test/process/${name}.test.ts`,
)

/**
 * The files that take longest, in that order: whatever begins last must be short. On a machine that
 * has no times of a former run, vitest begins with the largest files, which are others.
 */
const LONG = [
  'guard/conformance/kit',
  'guard/conformance/python',
  'cluster/two-brokers',
  'guard/feed',
  'process/schemathesis',
  'browser/ops',
  'process/main-job',
  'process/queue',
  'browser/pages',
  'process/chaos-cluster',
  'process/runbook',
  'process/demo-ends',
  'browser/demo',
  'process/broker-dev-packed',
].map((name) => `/test/${name}.test.ts`)

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const at = LONG.findIndex((name) => moduleId.endsWith(name))
      return at === -1 ? LONG.length : at
    }
    return (await super.sort(files)).sort((a, b) => place(a) - place(b))
  }
}

const withProcesses = {
  pool: 'forks' as const,
  testTimeout: 240_000,
  hookTimeout: 240_000,
  expect: { poll: { ...poll, timeout: 60_000 } },
}

/** Without Chromium the tests in a browser do not run: scripts/test-needs.mjs says so. */
const runnable = (files: string[]): string[] =>
  CHROMIUM === undefined ? files.filter((file) => !file.startsWith('test/browser/')) : files

export default defineConfig({
  test: {
    globalSetup: ['test/scratch.ts'],
    sequence: { sequencer: LongFirst },
    projects: [
      {
        resolve: { alias },
        test: {
          name: 'unit',
          include: ['test/**/*.test.{ts,tsx}'],
          exclude: ['test/process/**', 'test/browser/**'],
          ...unit,
        },
      },
      ...(!HAS_POSTGRES ? [] : [onPostgres]),
      {
        resolve: { alias },
        test: {
          ...withProcesses,
          name: 'process',
          include: runnable(['test/process/**/*.test.ts', 'test/browser/**/*.test.ts']),
          exclude: ALONE,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        resolve: { alias },
        test: {
          ...withProcesses,
          name: 'alone',
          include: ALONE,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
