import { z } from 'zod'
import type { NamedTarget } from '../acts/locks.ts'
import type { LockTarget } from '../../protocol/lock-target.ts'
import { guid } from './route.ts'
import { storedText } from '../../protocol/stored-text.ts'

/** What is locked, on the wire. */

const id = storedText().min(1).max(200)
const wholeUser = z.strictObject({ kind: z.literal('user'), tid: guid('a tenant id'), oid: guid('an object id') })
const others = [
  z.strictObject({ kind: z.literal('tenant'), tid: guid('a tenant id') }),
  z.strictObject({ kind: z.literal('client'), client_id: id }),
] as const
export const namedTarget = z
  .union(
    [wholeUser, z.strictObject({ kind: z.literal('user'), sub: id }), ...others],
    'target: name a user (kind user, with tid and oid, or sub), a tenant (kind tenant, with tid) or a client (kind client, with client_id)',
  )
  .meta({ id: 'NamedLockTarget' })
export const targetSchema = z.union([wholeUser, ...others]).meta({ id: 'LockTarget' })

export const readTarget = (target: z.output<typeof namedTarget>): NamedTarget =>
  target.kind === 'client' ? { kind: 'client', clientId: target.client_id } : target
export const targetShown = (target: LockTarget): z.output<typeof targetSchema> =>
  target.kind === 'client' ? { kind: 'client', client_id: target.clientId } : target

/** Epoch seconds of a request. */
export const moment = z.int('has to be a time in epoch seconds').min(1).max(253_402_300_799)
