import type { Delivery } from '../../../../db/types.ts'
import type { Actor } from '../../../protocol/revocation.ts'

/** The names of acts, of who acts, and of the states of deliveries. */

/** The acts that end sessions: the links that lead there, and the buttons. */
export const END_SESSION = 'End this session'
export const EVERYONE = 'Sign everyone out'
export const EVERYONE_THERE = 'Sign everyone out of this instance'
export const EVERYONE_OF_TENANT = 'Sign everyone of this tenant out'

export const BY: Record<Actor['kind'], string> = {
  user: 'The user',
  client: 'An app',
  operator: 'The operator of Case Manager',
  microsoft: 'Microsoft',
  broker: 'The broker',
}

/** The states of deliveries, with the class of their tag. */
export const STATE: Record<Delivery['state'], { words: string; tag: string }> = {
  pending: { words: 'pending', tag: 'tag wait' },
  delivered: { words: 'delivered', tag: 'tag' },
  rejected: { words: 'rejected', tag: 'tag bad' },
  failed: { words: 'failed', tag: 'tag bad' },
  superseded: { words: 'replaced by other deliveries', tag: 'tag calm' },
  closed: { words: 'closed', tag: 'tag calm' },
}

/** Says what a revocation covers, and until when a lock lasts that has no end. */
export const COVERED = {
  session: (of: string): string => `One session${of}`,
  grant: (instance: string, of: string): string => `${instance} in one session${of}`,
  client: (instance: string): string => `Every user, at ${instance} only`,
  tenant: (name: string): string => `Every user of the tenant ${name}`,
  everything: 'Every user, everywhere',
  lifts: 'an administrator lifts it',
}
