import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'

/** CONTRIBUTING.md and docs/architecture.md are what a newcomer follows: what they name exists. */

const ROOT = resolve(import.meta.dirname, '../..')
const text = readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8')
const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>
}

test('every npm command that CONTRIBUTING.md names exists', () => {
  const commands = [...text.matchAll(/npm (?:run )?([a-z][\w:-]*)/g)]
    .filter(([command]) => command !== 'npm install')
    .map(([, name = '']) => name)
  expect(commands).toEqual(
    expect.arrayContaining(['demo', 'test', 'typecheck', 'lint', 'format', 'db:generate']),
  )
  expect(commands.filter((name) => !Object.hasOwn(scripts, name))).toEqual([])
})

const named = (page: string): string[] =>
  [...page.matchAll(/`([^`\n]+)`/g)].flatMap(([, inside = '']) => inside.split(' '))
const isPath = (phrase: string): boolean =>
  /^(?:src|db|docs|guard|demo|bench|test|workers|\.ci)(?:\/|$)/.test(phrase)

test('every file and folder that docs/architecture.md names exists', () => {
  const paths = named(readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8')).filter(isPath)
  expect(paths.length).toBeGreaterThan(60)
  expect(paths.filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
})

test('every file and folder that CONTRIBUTING.md names exists', () => {
  const code = named(text)
  const links = [...text.matchAll(/\]\(([^)#]+)\)/g)].map(([, target = '']) => target)
  const commands = [...text.matchAll(/test\/[\w/-]+\.test\.ts/g)].map(([path]) => path)
  const paths = [
    ...code.filter((phrase) => isPath(phrase) || /\.(?:md|json)$/.test(phrase)),
    ...links,
    ...commands,
  ]
  expect(paths.length).toBeGreaterThan(30)
  expect(paths.filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
})

test('CONTRIBUTING.md and docs/architecture.md name every module of src', () => {
  const modules = readdirSync(join(ROOT, 'src'), { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  )
  for (const page of ['CONTRIBUTING.md', 'docs/architecture.md']) {
    const words = new Set(
      [...readFileSync(join(ROOT, page), 'utf8').matchAll(/`(?:src\/)?(\w+)`/g)].map(
        ([, name]) => name,
      ),
    )
    expect(
      modules.map(({ name }) => name).filter((name) => !words.has(name)),
      page,
    ).toEqual([])
  }
})
