import type { Context } from 'hono'
import type { World } from '../world.ts'
import { graphError } from './graph-error.ts'
import { selectProperties } from './user.ts'

/**
 * `/users/delta`: first every user, then those that changed since the latest link. Old links
 * expire: 410 makes the client start again.
 */

interface Position {
  /** The head of the log of changes when this round began. */
  head: number
  /** The number of the last known change; -1: every user. */
  after: number
  skip: number
  select: string
}

const encode = (position: Position): string =>
  Buffer.from(JSON.stringify(position)).toString('base64url')

function decode(token: string): Position | undefined {
  try {
    const value = JSON.parse(Buffer.from(token, 'base64url').toString('utf8')) as Position
    return [value.head, value.after, value.skip].every(Number.isInteger) &&
      typeof value.select === 'string'
      ? value
      : undefined
  } catch {
    return undefined
  }
}

export function delta(c: Context, world: World, tid: string): Response {
  const token = c.req.query('$skiptoken') ?? c.req.query('$deltatoken')
  const select = c.req.query('$select') ?? ''
  const nowMs = world.clock.nowMs()
  let position: Position | undefined = { head: world.changeSeq, after: -1, skip: 0, select }
  if (token === 'latest')
    return c.json({
      value: [],
      '@odata.deltaLink': link(world, '$deltatoken', { ...position, after: world.changeSeq }),
    })
  if (token !== undefined) position = decode(token)
  if (!position) return graphError(c, 400, 'Request_BadRequest', 'The token is malformed.', nowMs)
  const oldest = world.changes[0]?.seq ?? world.changeSeq + 1
  if (position.after >= 0 && position.after < oldest - 1)
    return graphError(
      c,
      410,
      'syncStateNotFound',
      'The delta token is no longer valid: start again.',
      nowMs,
    )
  if (c.req.query('$deltatoken') !== undefined)
    position = { ...position, head: world.changeSeq, skip: 0 }
  const rows =
    position.after < 0 ? everybody(world, tid, position.select) : changed(world, tid, position)
  const size = pageSize(c)
  const next = position.skip + size
  const value = rows.slice(position.skip, next)
  return c.json({
    '@odata.context': `${world.origin}/graph/v1.0/$metadata#users`,
    value,
    ...(next < rows.length
      ? { '@odata.nextLink': link(world, '$skiptoken', { ...position, skip: next }) }
      : {
          '@odata.deltaLink': link(world, '$deltatoken', {
            ...position,
            after: position.head,
            skip: 0,
          }),
        }),
  })
}

const link = (world: World, name: string, position: Position): string =>
  `${world.origin}/graph/v1.0/users/delta?${name}=${encode(position)}`

function pageSize(c: Context): number {
  const preferred =
    /odata\.maxpagesize=(\d+)/.exec(c.req.header('prefer') ?? '')?.[1] ?? c.req.query('$top')
  const size = Number(preferred ?? 200)
  return Number.isInteger(size) && size > 0 ? Math.min(size, 999) : 200
}

function everybody(world: World, tid: string, select: string): Record<string, unknown>[] {
  return world
    .users()
    .filter((user) => user.tid === tid && !user.deleted)
    .map((user) => selectProperties(user, select))
}

/** Returns each changed user once, in the current state. */
function changed(world: World, tid: string, position: Position): Record<string, unknown>[] {
  const ids = new Set(
    world.changes
      .filter(
        (change) =>
          change.tid === tid && change.seq > position.after && change.seq <= position.head,
      )
      .map((change) => change.oid),
  )
  return [...ids].map((oid) => {
    const user = world.userById(tid, oid)
    return !user || user.deleted
      ? { id: oid, '@removed': { reason: 'changed' } }
      : { ...selectProperties(user, position.select), id: oid }
  })
}
