import type { Query, SQL } from 'drizzle-orm'
import type { Committed } from '../types.ts'
import type { EngineName } from './dialect.ts'

/**
 * An act: the rule of one protocol act, written once for every engine. It is a generator that
 * yields statements; SQLite runs it to its end at once, inside one commit of the batch, and
 * Postgres awaits each statement. It holds nothing between two runs, because an engine may run it
 * again.
 */
export type Act<T> = Generator<Step, T, unknown>

/**
 * A statement to be carried out, a value from outside, or what this act revokes: its commit
 * announces it.
 */
export type Step = Call | keyof Sources | Revoked

export interface Revoked {
  readonly revoked: Committed
}

export type Value = string | number | null
export type Params = Record<string, Value | undefined>

/** Drizzle's dialect of an engine: quotes names and numbers parameters. */
export interface SqlDialect {
  sqlToQuery(template: SQL): Query
}

export interface Statement<P extends Params, R> {
  /** It locks rows and reads none: an engine with one writer leaves it out. */
  readonly onlyLocks: boolean
  /** Its SQL for one engine. */
  render(engine: EngineName, dialect: SqlDialect): Query
  /** Runs it for its first row. */
  get(params: P): Act<R | undefined>
  all(params: P): Act<R[]>
  /** Runs it for its effect. @returns how many rows it changed */
  run(params: P): Act<number>
}

/** One statement to be carried out, as an act yields it. */
export interface Call {
  readonly statement: AnyStatement
  readonly params: Params
  readonly wants: 'get' | 'all' | 'run'
}
// oxlint-disable-next-line typescript/no-explicit-any -- a list of statements of any type
export type AnyStatement = Statement<any, any>

/** What acts take from outside: the clock in milliseconds, and ids for rows of the store's own. */
export interface Sources {
  nowMs(): number
  newId(): string
}

/** @returns the current time in epoch milliseconds */
export function* currentMs(): Act<number> {
  return (yield 'nowMs') as number
}

/** @returns a new id for a row */
export function* newId(): Act<string> {
  return (yield 'newId') as string
}

/** Runs acts. */
export interface Engine {
  /**
   * One transaction. An answer means that its commit is on disk.
   * @throws StoreUnavailable where nothing was written
   */
  write<T>(act: () => Act<T>): Promise<T>
  /**
   * The same for one page of a bulk act. It shares no commit with acts that are waiting, and they
   * go first.
   */
  writePage<T>(act: () => Act<T>): Promise<T>
  /** Sees only what is committed. */
  read<T>(act: () => Act<T>): Promise<T>
}
