/**
 * The pictures of the modules and of the folders of db in docs/architecture.md, made from the
 * imports of the code: `npm run docs:modules` writes them, and test/house/import-rules.test.ts
 * compares them. An arrow is left out where a longer path implies it.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const FOLDERS = ['src', 'workers', 'db', 'guard/src', 'demo', 'broker-dev/src']
const PAGE = fileURLToPath(new URL('../docs/architecture.md', import.meta.url))

/** Returns the box of a file; undefined where it is in none, as a package of others. */
function boxOf(file) {
  const [top, second, third] = file.split('/')
  if (/(^|\/)guard\/(src|dist)\/|@case-manager\/guard/.test(file)) return 'guard'
  if (top !== 'src') return FOLDERS.some((folder) => folder.split('/')[0] === top) ? top : undefined
  return third === undefined ? 'wiring' : second
}

/** Returns the folder of db that a file is in. */
const folderOf = (file) => /^db[/]([^/]+)[/]/.exec(file)?.[1]

/** The pictures, by the words that mark their place in the page. */
const PICTURES = {
  'the modules': { boxOf, first: ['  wiring["start, app, parts, program, main, cli"]'] },
  'the folders of db': { boxOf: folderOf, first: [] },
}

function edgesOf(modules, boxOf) {
  const edges = new Map()
  for (const { source, dependencies } of modules) {
    const from = boxOf(source)
    if (from === undefined) continue
    const to = edges.get(from) ?? edges.set(from, new Set()).get(from)
    for (const { resolved } of dependencies) {
      const box = boxOf(resolved)
      if (box !== undefined && box !== from) to.add(box)
    }
  }
  return edges
}

/** Returns every box that can be reached from one. */
function reach(edges, from, seen = new Set()) {
  for (const to of edges.get(from) ?? [])
    if (!seen.has(to)) {
      seen.add(to)
      reach(edges, to, seen)
    }
  return seen
}

/**
 * Returns the picture in Mermaid, which GitHub draws.
 * @param modules of dependency-cruiser
 */
export function picture(modules, { boxOf, first } = PICTURES['the modules']) {
  const edges = edgesOf(modules, boxOf)
  const arrows = [...edges].flatMap(([from, tos]) => {
    const direct = [...tos].filter(
      (to) => ![...tos].some((other) => other !== to && reach(edges, other).has(to)),
    )
    return direct.map((to) => `  ${from} --> ${to}`)
  })
  return ['```mermaid', 'flowchart TB', ...first, ...arrows.toSorted(), '```'].join('\n')
}

/** Returns the page with each picture in its place. */
export function withPictures(page, modules) {
  let drawn = page
  for (const [what, of] of Object.entries(PICTURES)) {
    const [begin, end] = [
      `<!-- Begin of ${what}, by npm run docs:modules -->`,
      `<!-- End of ${what} -->`,
    ]
    const [from, to] = [drawn.indexOf(begin), drawn.indexOf(end)]
    if (from < 0 || to < from)
      throw new Error(`docs/architecture.md must have the lines "${begin}" and "${end}".`)
    drawn = `${drawn.slice(0, from + begin.length)}\n\n${picture(modules, of)}\n\n${drawn.slice(to)}`
  }
  return drawn
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { cruise } = await import('dependency-cruiser')
  const { default: cruiser } = await import('../.dependency-cruiser.mjs')
  const { output } = await cruise(FOLDERS, cruiser.options)
  writeFileSync(PAGE, withPictures(readFileSync(PAGE, 'utf8'), output.modules))
  console.log('docs/architecture.md has the pictures of the modules as they are now.')
}
