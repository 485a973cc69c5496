import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** Reads the pages of the documentation: their fenced blocks and the commands in their text. */

export const ROOT = resolve(import.meta.dirname, '..')

export const PAGES: readonly string[] = [
  'README.md',
  ...globSync(
    [
      'docs/*.md',
      'docs/decisions/*.md',
      'examples/*/README.md',
      'guard/README.md',
      'guard/*/README.md',
      'broker-dev/README.md',
    ],
    {
      cwd: ROOT,
    },
  ).sort(),
]

interface Place {
  page: string
  line: number
  /** The nearest heading above it, apart from the title of the page. */
  heading: string
}
export interface Block extends Place {
  language: string
  /** The text, without the indentation of a list. */
  text: string
  /** The reason in a comment `<!-- not run: … -->` just before the block. */
  notRun: string | undefined
}
export interface Inline extends Place {
  command: string
}

const FENCED = /(?:^ *<!-- not run: ([^>]*?) -->\n+)?^( *)```(\w*)\n([^]*?)^ *```$/gm
/**
 * Matches a text that begins with a program's name and is a command. A bare `guard` is also a
 * module and a service.
 */
const COMMAND = /^(?:cmb|npm|npx|curl|guard (?:serve|conformance))(?= |$)/

const read = (page: string): string => readFileSync(join(ROOT, page), 'utf8')

function placeOf(page: string, text: string, at: number): Place {
  const before = text.slice(0, at)
  return {
    page,
    line: before.split('\n').length,
    heading: [...before.matchAll(/^##+ (.*)$/gm)].at(-1)?.[1] ?? '',
  }
}

export function blocksOf(page: string): Block[] {
  const text = read(page)
  return [...text.matchAll(FENCED)].map(
    ({ 0: whole, 1: notRun, 2: indent = '', 3: language = '', 4: body = '', index }) => ({
      ...placeOf(page, text, index + whole.indexOf('```')),
      language,
      text: body.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
      notRun: notRun?.replaceAll(/\s+/g, ' '),
    }),
  )
}

export function inlineOf(page: string): Inline[] {
  const text = read(page).replaceAll(FENCED, (block) => block.replaceAll(/[^\n]/g, ' '))
  return [...text.matchAll(/(?<!`)`([^`]+)`(?!`)/g)]
    .map(({ 1: code = '', index }) => ({
      ...placeOf(page, text, index),
      command: code.replaceAll(/\s+/g, ' '),
    }))
    .filter(({ command }) => COMMAND.test(command))
}
