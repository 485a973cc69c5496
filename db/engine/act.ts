import type { Query, SQL } from 'drizzle-orm'
import type { Committed } from '../types.ts'
import type { EngineName } from './dialect.ts'

/**
 * The rule of one protocol act, written once for every engine. An act is a generator that yields
 * statements: SQLite runs it to its end at once, inside the commit of a batch, and Postgres awaits
 * each statement. An act keeps no state between two runs, because an engine may run it again.
 */
export type Act<T> = Generator<Step, T, unknown>

/**
 * One step of an act: a statement to run, a value from outside, or the revocations that the
 * commit announces.
 */
export type Step = Call | keyof Sources | Revoked

export interface Revoked {
  readonly revoked: Committed
}

export type Value = string | number | null
export type Params = Record<string, Value | undefined>

/** Drizzle's dialect of an engine, which quotes names and numbers parameters. */
export interface SqlDialect {
  sqlToQuery(template: SQL): Query
}

export interface Statement<P extends Params, R> {
  /** The statement locks rows and reads none. An engine with a single writer skips it. */
  readonly onlyLocks: boolean
  /** Returns its SQL for one engine. */
  render(engine: EngineName, dialect: SqlDialect): Query
  /** Runs the statement and returns its first row. */
  get(params: P): Act<R | undefined>
  all(params: P): Act<R[]>
  /**
   * Runs the statement for its effect.
   * @returns how many rows it changed
   */
  run(params: P): Act<number>
}

/** One run of a statement, as an act yields it. */
export interface Call {
  readonly statement: AnyStatement
  readonly params: Params
  readonly wants: 'get' | 'all' | 'run'
}
// oxlint-disable-next-line typescript/no-explicit-any -- a list of statements of any type
export type AnyStatement = Statement<any, any>

/** The inputs that acts take from outside: the clock in milliseconds, and ids for new rows. */
export interface Sources {
  nowMs(): number
  /** Returns whether the clock was compared with another one and is right. */
  isCertain(): boolean
  newId(): string
}

/** Returns the current time in epoch milliseconds. */
export function* currentMs(): Act<number> {
  return (yield 'nowMs') as number
}

/** Returns whether the clock was compared with another one and is right. */
export function* timeIsCertain(): Act<boolean> {
  return (yield 'isCertain') as boolean
}

/** Returns a new id for a row. */
export function* newId(): Act<string> {
  return (yield 'newId') as string
}

/** Runs acts on one database. */
export interface Engine {
  /**
   * Runs an act in one transaction. When it answers, its commit is on disk.
   * @throws StoreUnavailable where nothing was written
   */
  write<T>(act: () => Act<T>): Promise<T>
  /**
   * Runs one page of a bulk act in one transaction. It shares no commit with waiting acts, which go
   * first.
   */
  writePage<T>(act: () => Act<T>): Promise<T>
  /** Runs an act that only reads. It sees only committed data. */
  read<T>(act: () => Act<T>): Promise<T>
}
