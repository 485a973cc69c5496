import { execFileSync } from 'node:child_process'
import { afterAll, describe, expect, test } from 'vitest'
import { ROOT } from '../markdown.ts'
import { hasEngine } from './engine.ts'

/** Builds each image, and once more without a cache: it has the same files, owners and modes. */

const docker = (...args: string[]): string =>
  execFileSync('docker', args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 1 << 26 })
const name = (target: string, n: number): string => `cmb-image-test-${target}:${n}`
const TARGETS = ['guard', 'broker']

/** Lists what the image's own layers have. The compiled code of a start depends on its timing. */
const LIST = `find /app -path /app/dist/src/cache -prune -o -printf '%M %U %G %p %l\\n' | sort
find /app -path /app/dist/src/cache -prune -o -type f -exec sha256sum {} + | sort -k 2`

describe.runIf(hasEngine())('an image', () => {
  afterAll(() => {
    docker('rmi', '--force', ...TARGETS.flatMap((target) => [name(target, 1), name(target, 2)]))
  })

  test('that is built twice has the same files', () => {
    const built = [1, 2].map((n) =>
      TARGETS.map((target, at) => {
        // The second target shares stages with the first one of its round.
        const fresh = n === 2 && at === 0 ? ['--no-cache'] : []
        docker('build', '--quiet', ...fresh, '--target', target, '--tag', name(target, n), '.')
        const run = ['run', '--rm', '--user', '0', '--network', 'none', '--entrypoint', 'sh']
        return docker(...run, name(target, n), '-c', LIST).split('\n')
      }),
    )
    expect(built[0]?.map((lines) => lines.length > 50)).toEqual([true, true])
    expect(built[0]).toEqual(built[1])
  }, 900_000)
})
