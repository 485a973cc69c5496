import type { Context } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import { remoteOf } from '../client/remote.ts'
import type { Deps } from '../deps.ts'
import { Button, HiddenFields, Notice } from '../page/components.tsx'
import { CSRF_FIELD, csrfHolds, csrfToken } from '../page/csrf.ts'
import { TextField } from '../page/fields.tsx'
import { page } from '../page/layout.tsx'
import { sha256 } from '../protocol/compare.ts'
import { mustBeWithin } from '../rate-limits.ts'

/**
 * The entrance of wall displays: a pass is typed once, and a cookie of /ops/wall alone keeps its hash, sealed. Each request asks the store, so
 * a pass that is revoked or expired opens nothing at the display's next request.
 */

const COOKIE = '__Secure-cmb_wall'
const PLACE = 'ops/wall'
const ATTRIBUTES = { path: '/ops/wall', secure: true, httpOnly: true, sameSite: 'Strict' } as const
const PURPOSE = 'wall pass'

/** Whether this browser has a valid pass. */
export async function hasWallPass(deps: Pick<Deps, 'sealer' | 'store'>, c: Context, now: number): Promise<boolean> {
  const sealed = getCookie(c, COOKIE)
  const passHash = sealed === undefined ? undefined : deps.sealer.open(PLACE, sealed)?.toString('utf8')
  return passHash !== undefined && (await deps.store.useWallPass({ passHash, now })) !== undefined
}

export const wallEntrance = (deps: Deps, c: Context, problem?: { title: string; words: string }): Response =>
  page(
    c,
    { title: 'Wall display', status: problem === undefined ? 401 : 403, config: deps.config },
    <>
      {problem === undefined ? null : (
        <Notice kind="bad" title={problem.title}>
          {problem.words}
        </Notice>
      )}
      <p>Enter a pass for wall displays. An administrator creates it in the console.</p>
      <form class="stack" method="post" action="/ops/wall">
        <HiddenFields fields={{ [CSRF_FIELD]: csrfToken(deps, c, PURPOSE) }} />
        <TextField label="Pass" name="pass" secret literal required />
        <div class="row">
          <Button>Show</Button>
        </div>
      </form>
    </>,
  )

/** The same answer for a pass that is unknown, expired or revoked. */
const NOT_VALID = { title: 'That pass is not valid.', words: 'It may be mistyped, expired or revoked. Ask an administrator for a new one.' }
const NOT_OURS = { title: 'Nothing was done.', words: 'This form was not sent from this page in this browser. Enter the pass again.' }

export async function enterWall(deps: Deps, c: Context, form: URLSearchParams, now: number): Promise<Response> {
  if (!csrfHolds(deps, c, PURPOSE, form.get(CSRF_FIELD) ?? undefined, deps.config.opsOrigin)) return wallEntrance(deps, c, NOT_OURS)
  const passHash = sha256((form.get('pass') ?? '').trim())
  const pass = await deps.store.useWallPass({ passHash, now })
  if (pass === undefined) {
    const key = { address: remoteOf(c, deps.config) }
    if (deps.rateLimits.mayLog(key)) deps.log.warn('wall_pass_rejected', { from: key.address })
    // Only a wrong pass is limited: the right one always opens.
    mustBeWithin(deps.rateLimits, 'setupToken', key)
    return wallEntrance(deps, c, NOT_VALID)
  }
  setCookie(c, COOKIE, deps.sealer.seal(PLACE, passHash), { ...ATTRIBUTES, maxAge: pass.endsAt - now })
  c.header('Cache-Control', 'no-store')
  return c.redirect('/ops/wall', 303)
}
