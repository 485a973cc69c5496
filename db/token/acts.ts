import type { Engine } from '../engine/act.ts'
import { grantClient } from '../rows/client.ts'
import type { TokenActs } from '../store.ts'
import { checkAccess, checkClientAccess } from './access.ts'
import { redeem } from './codes.ts'
import { consumeOnce, pullRequest, pushedRequest, pushRequest, wasConsumed } from './one-time.ts'
import { findFamily, rotate } from './rotate.ts'

/** Codes, refresh tokens, access tokens and what is used once. */
export function tokenActs(engine: Engine): TokenActs {
  const { read, write } = engine
  return {
    redeemAuthorizationCode: (input) => write(() => redeem(input)),
    rotateRefreshToken: (input) => write(() => rotate(input)),
    findFamily: (familyId, generation) => read(() => findFamily(familyId, generation)),
    checkAccess: (input) => checkAccess(engine, input),
    grantClient: (input) => read(() => grantClient(input)),
    checkClientAccess: (input) => read(() => checkClientAccess(input)),
    consumeOnce: ({ purpose, idHash, expiresAt }) => write(() => consumeOnce({ purpose, idHash, expiresAt })),
    wasConsumed: (input) => read(() => wasConsumed(input)),
    pushRequest: (input) => write(() => pushRequest(input)),
    pushedRequest: ({ consume, ...input }) => (consume ? write(() => pullRequest(input)) : read(() => pushedRequest(input))),
  }
}
