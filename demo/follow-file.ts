import { readFileSync } from 'node:fs'

/** Follows edits of a clients file. A file with a problem is reported and not applied. */

interface Following {
  /**
   * Applies the text of the file.
   * @throws Error with every problem
   */
  apply(text: string): void | Promise<void>
  say(problem: string): void
  pollMs: number
}

/**
 * Follows a file by polling its text, because editors replace files.
 * @param known the text that is already applied
 */
export function followFile(
  file: string,
  known: string,
  { apply, say, pollMs }: Following,
): { close(): void } {
  let applying = Promise.resolve()
  const read = async (text: string): Promise<void> => {
    try {
      await apply(text)
    } catch (error) {
      say(
        `${error instanceof Error ? error.message : String(error)}\nThe previous clients stay registered. Fix the file and save it.`,
      )
    }
  }
  const look = (): void => {
    const text = textOf(file)
    if (text === known) return
    known = text
    applying = applying.then(() => read(text))
  }
  const timer = setInterval(look, pollMs)
  timer.unref()
  return { close: () => clearInterval(timer) }
}

/** Returns the file's text; empty where it cannot be read. */
export function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
