import { defineConfig } from 'vitest/config'
import { CHROMIUM } from './test/needs.ts'

const alias = {
  '@case-manager/guard/hono': new URL('./guard/src/hono.ts', import.meta.url).pathname,
  '@case-manager/guard': new URL('./guard/src/index.ts', import.meta.url).pathname,
}

/**
 * Two projects. `unit` runs in this process against real SQLite files and real HTTP. `process` starts whole processes (broker, queue
 * server, Chromium), one file at a time, because on a small machine two of them beside each other measure only each other.
 * A busy machine may starve a process test of its second; CI tries such a test again rather than loosening what it demands.
 */
export default defineConfig({
  test: {
    projects: [
      {
        resolve: { alias },
        test: {
          name: 'unit',
          include: ['test/**/*.test.{ts,tsx}'],
          exclude: ['test/process/**', 'test/browser/**'],
          pool: 'threads',
          maxWorkers: 2,
          testTimeout: 30_000,
          hookTimeout: 30_000,
          retry: process.env.CI ? 2 : 0,
        },
      },
      {
        resolve: { alias },
        test: {
          name: 'process',
          include: ['test/process/**/*.test.ts', ...(CHROMIUM === undefined ? [] : ['test/browser/**/*.test.ts'])],
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          retry: process.env.CI ? 2 : 0,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
