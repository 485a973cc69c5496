import type { Context } from 'hono'
import type { NewCode } from '../../db/store.ts'
import type { Deps } from '../deps.ts'
import { sha256 } from '../protocol/compare.ts'
import { newSecret, type Random } from '../protocol/ids.ts'
import { answerInstance } from './reply.tsx'
import type { SignInRequest } from './request.ts'

/** RFC 6749 §4.1.2 advises ten minutes at most; an instance needs a second. */
const CODE_SECONDS = 60

/** 256 random bits for the instance; their hash, with all that they stand for, for the store. */
export function newCode(random: Random, request: SignInRequest, now: number): { code: string; row: NewCode } {
  const code = newSecret(random)
  const { clientId, reply, scope, audience, nonce, codeChallenge, wantsAuthTime } = request
  return {
    code,
    row: {
      codeHash: sha256(code),
      clientId,
      redirectUri: reply.redirectUri,
      scope,
      audience,
      nonce,
      codeChallenge,
      wantsAuthTime,
      expiresAt: now + CODE_SECONDS,
    },
  }
}

/** A code for a session that lives. Undefined: it has ended or was marked meanwhile. */
export async function codeForSession(deps: Deps, c: Context, request: SignInRequest, sid: string, now: number): Promise<Response | undefined> {
  const { code, row } = newCode(deps.random, request, now)
  const standing = await deps.store.issueCode({ sid, code: row, now })
  return standing.state === 'live' ? answerInstance(deps, c, request.reply, { code }) : undefined
}
