import { readFileSync } from 'node:fs'
import {
  isSetting,
  settingsOf,
  type ConfigProblem,
  type Environment,
  type Read,
  type Setting,
  type Table,
} from './setting.ts'

/**
 * Reads a table of settings from the environment and collects every problem. `<NAME>_FILE` names a
 * file that holds the value.
 */
export class Reader {
  readonly problems: ConfigProblem[] = []
  readonly #env: Environment
  constructor(env: Environment) {
    this.#env = env
  }

  add({ name, example }: Omit<ConfigProblem, 'problem'>, problem: string): undefined {
    this.problems.push({ name, problem, example })
  }

  /** Returns the values of a table. The result is complete only if there are no problems. */
  table<T extends Table>(table: T): Read<T> {
    const read = Object.entries(table).map(([key, entry]) => [
      key,
      isSetting(entry) ? this.#one(entry) : this.table(entry),
    ])
    return Object.fromEntries(read) as Read<T>
  }

  #one(setting: Setting<unknown>): unknown {
    const before = this.problems.length
    const add = (problem: string, about: Omit<ConfigProblem, 'problem'> = setting): undefined =>
      this.add(about, problem)
    const text = readText(this.#env, setting.name, add) ?? setting.default
    if (text === undefined) {
      if (setting.required && this.problems.length === before) this.add(setting, 'is not set')
      return undefined
    }
    const parsed = setting.schema.safeParse(text)
    if (parsed.success) return parsed.data
    for (const issue of parsed.error.issues) this.add(setting, issue.message)
    return undefined
  }
}

/**
 * Returns the text of one setting, from its variable or from the file that `<NAME>_FILE` names. An
 * empty variable counts as not set.
 * @param add receives a problem
 */
export function readText(
  env: Environment,
  name: string,
  add: (problem: string, about?: { name: string; example: string }) => void,
): string | undefined {
  const value = env[name] || undefined
  const variable = fileVariable(name)
  const file = variable === undefined ? undefined : env[variable] || undefined
  if (variable === undefined || file === undefined) return value?.trim()
  const about = { name: variable, example: '/run/secrets/broker' }
  const text = value === undefined ? textOf(file) : undefined
  if (text === undefined) add(`and ${variable} are both set: keep one of them`)
  else if ('code' in text) add(`names a file that cannot be read: ${text.code} ${file}`, about)
  else if (text.text === '') add(`names an empty file (${file})`, about)
  else return text.text
  return undefined
}

function textOf(file: string): { text: string } | { code: string } {
  try {
    return { text: readFileSync(file, 'utf8').trim() }
  } catch (error) {
    return { code: (error as NodeJS.ErrnoException).code ?? 'error' }
  }
}

/**
 * Returns the environment with these settings. They replace the environment's own values, including
 * those by `<NAME>_FILE`.
 */
export const withSettings = (env: Environment, settings: Record<string, string>): Environment => ({
  ...env,
  ...Object.fromEntries(Object.keys(settings).map((name) => [`${name}_FILE`, undefined])),
  ...settings,
})

/**
 * Returns the name of the variable that can name a file instead. A setting that is itself a file's
 * path has none.
 */
const fileVariable = (name: string): string | undefined =>
  name.endsWith('_FILE') ? undefined : `${name}_FILE`

/** Yields the name of every variable that the broker reads. */
export function* variablesOf(table: Table): Generator<string> {
  for (const setting of settingsOf(table)) {
    yield setting.name
    const file = fileVariable(setting.name)
    if (file !== undefined) yield file
  }
}
