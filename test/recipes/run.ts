import { afterAll, beforeAll, describe, test } from 'vitest'
import { RECIPES } from './recipes.ts'
import { openWorld, type World } from './world.ts'

/**
 * Runs every recipe of examples/ with the real software, one after the other, on one broker. `-t
 * nginx` runs one alone.
 */

let opened: World | undefined
const lines: string[] = []

beforeAll(async () => {
  opened = await openWorld(RECIPES.flatMap(({ registered }) => registered))
})
afterAll(async () => {
  await opened?.dispose()
  for (const { missing, name } of RECIPES)
    if (missing !== undefined) lines.push(`${name}: LEFT OUT. ${missing}`)
  process.stderr.write(`\nRecipes:\n${lines.map((line) => `  ${line}\n`).join('')}`)
})

const world = (): World => {
  if (opened === undefined) throw new Error('The broker did not start.')
  return opened
}

for (const { define, missing, name, version } of RECIPES) {
  if (missing === undefined)
    describe(name, () => define(world, (line) => lines.push(`${name} (${version()}): ${line}`)))
  else test.todo(`${name} is left out. ${missing}`)
}
