import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { RAISES_FLOOR, REASONS, type RaisesFloor } from '../../src/protocol/revocation.ts'

test('docs/fresh-sign-in.md says of each reason whether it raises the floor, as the table of the code does', () => {
  const page = readFileSync(new URL('../../docs/fresh-sign-in.md', import.meta.url), 'utf8')
  const rows = [...page.matchAll(/^\| `(\w+)` \| [^|]+ \| (.+) \|$/gm)].map(
    ([, reason, raises]) => [reason, raises],
  )
  const words = (raises: RaisesFloor) =>
    raises === false ? 'no' : { plain: 'yes', security: 'yes, for security' }[raises]
  expect(rows).toEqual(REASONS.map((reason) => [reason, words(RAISES_FLOOR[reason])]))
})
