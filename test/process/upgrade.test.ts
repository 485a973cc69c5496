import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HAPROXY } from '../needs.ts'
import { HAS_POSTGRES } from '../postgres.ts'
import { upgradeOnPostgres, upgradeOnSqlite, type UpgradeReport } from './upgrade/upgrade.ts'
import { build, makeReleases, temporary, type Version } from './upgrade/versions.ts'

/**
 * Two releases of this work tree, made by `npm run release`, with a migration between them: the
 * upgrade while users work, and the way back. `npm run upgrades` does the same from tag to tag.
 */

const { home, dispose } = temporary()
let versions: { from: Version; to: Version }
beforeAll(() => {
  const { repository, tags } = makeReleases(home)
  versions = { from: build(repository, tags[0], home), to: build(repository, tags[1], home) }
}, 600_000)
afterAll(dispose)

const say = (words: string): void => void process.stdout.write(`${words}\n`)
const expectGood = ({ failures, undelivered, guardsLost, signOuts }: UpgradeReport): void => {
  expect({ failures, undelivered, guardsLost }).toEqual({
    failures: [],
    undelivered: 0,
    guardsLost: 0,
  })
  expect(signOuts).toBeGreaterThan(10)
}

describe('an upgrade to a version with a migration', { timeout: 400_000 }, () => {
  test('on SQLite signs out no user, and the older version starts again with the backup alone', async () => {
    expectGood(await upgradeOnSqlite({ ...versions, users: 4, say }))
  })

  test.skipIf(HAPROXY === undefined || !HAS_POSTGRES)(
    'on Postgres fails no request while brokers are replaced one after another, and the older version starts again with the backup alone',
    async () => {
      expectGood(await upgradeOnPostgres({ ...versions, users: 4, say }))
    },
  )
})
