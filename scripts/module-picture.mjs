/**
 * The picture of the modules in docs/architecture.md, made from the imports of the code: `npm run docs:modules` writes it, and
 * test/house/import-rules.test.ts compares it. An arrow is left out where a longer way says the same.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const FOLDERS = ['src', 'workers', 'db', 'guard/src', 'demo', 'broker-dev/src']
const PAGE = fileURLToPath(new URL('../docs/architecture.md', import.meta.url))
const [BEGIN, END] = ['<!-- The modules, by npm run docs:modules -->', '<!-- end of the modules -->']

/** The box of a file, or undefined where it is in none: a package that is not ours. */
function boxOf(file) {
  const [top, second, third] = file.split('/')
  if (/(^|\/)guard\/(src|dist)\/|@case-manager\/guard/.test(file)) return 'guard'
  if (top !== 'src') return FOLDERS.some((one) => one.split('/')[0] === top) ? top : undefined
  return third === undefined ? 'wiring' : second
}

function edgesOf(modules) {
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

/** Every box that one leads to. */
function reach(edges, from, seen = new Set()) {
  for (const to of edges.get(from) ?? [])
    if (!seen.has(to)) {
      seen.add(to)
      reach(edges, to, seen)
    }
  return seen
}

/** Mermaid, which GitHub draws. @param modules of dependency-cruiser */
export function modulePicture(modules) {
  const edges = edgesOf(modules)
  const arrows = [...edges].flatMap(([from, tos]) => {
    const direct = [...tos].filter((to) => ![...tos].some((other) => other !== to && reach(edges, other).has(to)))
    return direct.map((to) => `  ${from} --> ${to}`)
  })
  return ['```mermaid', 'flowchart TB', '  wiring["start, app, parts, program, main, cli"]', ...arrows.toSorted(), '```'].join('\n')
}

/** @returns the page with this picture in its place */
export function withPicture(page, picture) {
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (from < 0 || to < from) throw new Error(`docs/architecture.md must have the lines "${BEGIN}" and "${END}".`)
  return `${page.slice(0, from + BEGIN.length)}\n\n${picture}\n\n${page.slice(to)}`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { cruise } = await import('dependency-cruiser')
  const { default: cruiser } = await import('../.dependency-cruiser.mjs')
  const { output } = await cruise(FOLDERS, cruiser.options)
  writeFileSync(PAGE, withPicture(readFileSync(PAGE, 'utf8'), modulePicture(output.modules)))
  console.log('docs/architecture.md has the picture of the modules as they are now.')
}
