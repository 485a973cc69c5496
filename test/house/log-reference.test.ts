import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'

/** docs/logs.md against the calls in the code. */

const ROOT = resolve(import.meta.dirname, '../..')
const sources = ['src', 'workers', 'db'].flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.tsx?$/.test(path))
    .map((path) => readFileSync(join(ROOT, folder, path), 'utf8')),
)
/** Names that the code puts together. */
const MADE = { 'refresh_token_${rotated.outcome}': ['refresh_token_late', 'refresh_token_stolen'] }

function eventsOf(text: string): string[] {
  const events: string[] = []
  for (const [, level = '', argument = ''] of text.matchAll(
    /\blog\s*\.(info|warn|error)\(\s*([^,)]+)/gi,
  ))
    for (const [, name = ''] of argument.matchAll(/(?<!=== )['`]([a-z_$][\w${}.]*)['`]/g))
      for (const each of MADE[name as keyof typeof MADE] ?? [name]) events.push(`${each} ${level}`)
  return events
}

test('an event is found wherever its call has its line breaks, and both where one of two is logged', () => {
  expect(
    eventsOf("log.warn(\n  'one', {}); deps.log.info(kind === 'a' ? 'two' : 'three')"),
  ).toEqual(['one warn', 'two info', 'three info'])
})

test('docs/logs.md has each event that the code logs, once, with its levels, and no other', () => {
  const levels = new Map<string, Set<string>>()
  for (const event of sources.flatMap(eventsOf)) {
    const [name = '', level = ''] = event.split(' ')
    levels.set(name, (levels.get(name) ?? new Set()).add(level))
  }
  const logged = [...levels].map(
    ([name, at]) =>
      `${name}: ${['info', 'warn', 'error'].filter((candidate) => at.has(candidate)).join(', ')}`,
  )
  const rows = readFileSync(join(ROOT, 'docs/logs.md'), 'utf8').matchAll(
    /^\| `(\w+)` \| ([\w, ]+) \| .+ \|$/gm,
  )
  const documented = [...rows].map(([, name, at]) => `${name}: ${at}`)
  expect(logged.length).toBeGreaterThan(90)
  expect(documented.sort()).toEqual(logged.sort())
})
