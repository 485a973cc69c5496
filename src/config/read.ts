import { readFileSync } from 'node:fs'
import { isSetting, settingsOf, type ConfigProblem, type Environment, type Read, type Setting, type Table } from './setting.ts'

/** Reads a table of settings from the environment and collects every problem. `<NAME>_FILE` names a file that holds the value. */
export class Reader {
  readonly problems: ConfigProblem[] = []
  readonly #env: Environment
  constructor(env: Environment) {
    this.#env = env
  }

  add({ name, example }: Pick<Setting<unknown>, 'name' | 'example'>, problem: string): undefined {
    this.problems.push({ name, problem, example })
  }

  /** Complete only if there are no problems. */
  table<T extends Table>(table: T): Read<T> {
    const read = Object.entries(table).map(([key, entry]) => [key, isSetting(entry) ? this.#one(entry) : this.table(entry)])
    return Object.fromEntries(read) as Read<T>
  }

  #one(setting: Setting<unknown>): unknown {
    const before = this.problems.length
    const text = this.#text(setting) ?? setting.default
    if (text === undefined) {
      if (setting.required && this.problems.length === before) this.add(setting, 'is not set')
      return undefined
    }
    const parsed = setting.schema.safeParse(text)
    if (parsed.success) return parsed.data
    for (const issue of parsed.error.issues) this.add(setting, issue.message)
    return undefined
  }

  /** An empty variable counts as not set. */
  #text(setting: Setting<unknown>): string | undefined {
    const value = this.#env[setting.name] || undefined
    const variable = fileVariable(setting)
    const file = variable === undefined ? undefined : this.#env[variable] || undefined
    if (variable === undefined || file === undefined) return value?.trim()
    if (value !== undefined) return this.add(setting, `and ${variable} are both set: keep one of them`)
    const shown = { name: variable as Setting<unknown>['name'], example: '/run/secrets/broker' }
    try {
      return readFileSync(file, 'utf8').trim() || this.add(shown, `names an empty file (${file})`)
    } catch (error) {
      return this.add(shown, `names a file that cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'error'} ${file}`)
    }
  }
}

/** The name of the variable that may name a file instead. A setting that is a file's path has none. */
const fileVariable = ({ name }: Setting<unknown>): string | undefined => (name.endsWith('_FILE') ? undefined : `${name}_FILE`)

/** Every variable that is read. */
export function* variablesOf(table: Table): Generator<string> {
  for (const setting of settingsOf(table)) {
    yield setting.name
    const file = fileVariable(setting)
    if (file !== undefined) yield file
  }
}
