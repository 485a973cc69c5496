import type { JSXNode } from 'hono/jsx'
import { textsIn, type Texts } from '../../src/page/texts.ts'

/**
 * A language for tests: English with accents, longer by half and in brackets. Text without brackets on a page is not from the catalog, and what
 * fits in it fits in every language. It is the English of a product of this name alone, so that no other test reads it.
 */

export const PSEUDO = 'Ω'

const [PLAIN, ACCENTED] = ['aceinosuyzACEINOSUYZ', 'àçéîñôšüýžÀÇÉÎÑÔŠÜÝŽ']
const accented = (text: string): string => text.replace(/[a-zA-Z]/g, (letter) => ACCENTED[PLAIN.indexOf(letter)] ?? letter)

/** Words of the length that they make longer, so that lines can break as in a language. */
const padding = (text: string): string => ' ōōōōōō'.repeat(Math.ceil(text.length / 14))

/** @param data what was handed in: it stays as it is */
function longer(text: string, data: readonly string[] = []): string {
  if (!/[a-z]/i.test(text)) return text
  const parts = data.filter((one) => one !== '').reduce<string[]>((all, one) => all.flatMap((part) => splitAt(part, one)), [text])
  return parts.map((part) => (data.includes(part) || !/[a-z]/i.test(part) ? part : `⟦${accented(part)}${padding(part)}⟧`)).join('')
}

const splitAt = (part: string, word: string): string[] => part.split(word).flatMap((one, at) => (at === 0 ? [one] : [word, one]))

/** What a text answers: letters, or markup whose letters are ours unless they were handed in. */
function answered(answer: unknown, data: readonly string[]): unknown {
  if (typeof answer === 'string') return longer(answer, data)
  const node = answer as JSXNode
  node.children = node.children.map((child) =>
    typeof child === 'string' ? longer(child, data) : isOurs(child, data) ? (answered(child, data) as JSXNode) : child,
  )
  return node
}

const handed = new WeakSet<object>()
const isOurs = (child: unknown, _data: readonly string[]): boolean =>
  typeof child === 'object' && child !== null && 'children' in child && !handed.has(child)

const KEPT = new Set(['language', 'name', 'direction', 'locale'])

function pseudo(node: Record<string, unknown>, path = ''): void {
  for (const [key, value] of Object.entries(node)) {
    if (path === '' && KEPT.has(key)) continue
    if (typeof value === 'string') node[key] = longer(value, [PSEUDO])
    else if (typeof value === 'function')
      node[key] = (...given: unknown[]) => {
        for (const one of given) if (typeof one === 'object' && one !== null) handed.add(one)
        const data = given.flat().flatMap((one) => (typeof one === 'string' || typeof one === 'number' ? [String(one)] : []))
        return answered((value as (...all: unknown[]) => unknown)(...given), [...data, PSEUDO])
      }
    else pseudo(value as Record<string, unknown>, `${path}.${key}`)
  }
}

let made = false

/** From now on, pages of the product `PSEUDO` are in it. */
export function speakPseudo(): Texts {
  const texts = textsIn('en', PSEUDO)
  if (!made) pseudo(texts)
  made = true
  return texts
}
