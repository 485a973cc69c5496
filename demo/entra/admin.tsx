import { Hono, type Context } from 'hono'
import { render } from './layout.tsx'
import { CONTOSO, FABRIKAM, type Tenant, type User } from './users.ts'
import { changeUser, type UserPatch } from './user-acts.ts'
import { isForeign, type Site } from './site.ts'
import { AREAS, type Switches } from './switches.ts'
import type { World } from './world.ts'

/**
 * The administrator's page, on which a user of the demonstration can disable Alice and watch the
 * effect. It needs no sign-in: it is a toy, reachable from this machine only.
 */

type Answer = Response | Promise<Response>

export function adminRoom(site: Site): Hono {
  const { world } = site
  const app = new Hono()
  app.get('/', (c) => adminPage(c, world))
  app.post('/_admin/:upn', async (c) => {
    if (isForeign(c, world.origin)) return c.text('Only a form of this site may be sent here.', 403)
    const user = world.userOf(c.req.param('upn'))
    const act = ACTS[new URLSearchParams(await c.req.text()).get('act') ?? '']
    if (user && act) changeUser(world, user, act.patch(user))
    return c.redirect('/', 303)
  })
  app.post('/_admin', async (c) => {
    if (isForeign(c, world.origin)) return c.text('Only a form of this site may be sent here.', 403)
    const wanted = TOGGLES[new URLSearchParams(await c.req.text()).get('switch') ?? '']
    if (wanted) Object.assign(world.switches, wanted.flip(world.switches))
    return c.redirect('/', 303)
  })
  return app
}

interface UserAction {
  label(user: User): string
  patch(user: User): UserPatch
}

const ACTS: Record<string, UserAction> = {
  enable: {
    label: (p) => (p.accountEnabled ? 'Disable' : 'Enable'),
    patch: (p) => ({ accountEnabled: !p.accountEnabled }),
  },
  revoke: { label: () => 'Revoke sessions', patch: () => ({ revokeSessions: true }) },
  password: {
    label: () => 'Change password',
    patch: (p) => ({ password: nextPassword(p.password), by: 'user' }),
  },
  mfa: {
    label: (p) => (p.mfa === 'none' ? 'Give MFA' : 'Take MFA away'),
    patch: (p) => ({ mfa: p.mfa === 'none' ? 'authenticator' : 'none' }),
  },
  assign: {
    label: (p) => (p.assigned ? 'Unassign' : 'Assign'),
    patch: (p) => ({ assigned: !p.assigned }),
  },
  delete: {
    label: (p) => (p.deleted ? 'Restore' : 'Delete'),
    patch: (p) => ({ deleted: !p.deleted }),
  },
}

/** Returns the next password: `alice-demo`, `alice-demo-2`, `alice-demo-3` … */
function nextPassword(password: string): string {
  const [, base = password, number = '1'] = /^(.*?)(?:-(\d+))?$/.exec(password) ?? []
  return `${base}-${Number(number) + 1}`
}

interface Toggle {
  label: string
  on(switches: Switches): boolean
  flip(switches: Switches): Partial<Switches>
}

/**
 * Returns the switch for a tenant's consent. Without consent users read "Need admin approval", and
 * tokens of signed-in users are rejected with AADSTS65001.
 */
const consentOf = ({ tid, name }: Tenant): Toggle => ({
  label: `An administrator of ${name} has consented to the application`,
  on: (s) => (s.consent[tid] ?? 'granted') === 'granted',
  flip: (s) => ({
    consent: {
      ...s.consent,
      [tid]: (s.consent[tid] ?? 'granted') === 'granted' ? 'admin' : 'granted',
    },
  }),
})

const TOGGLES: Record<string, Toggle> = {
  consent_contoso: consentOf(CONTOSO),
  consent_fabrikam: consentOf(FABRIKAM),
  errors: {
    label: 'Errors go back to the application, instead of to a page of Microsoft’s',
    on: (s) => s.errorsToApp,
    flip: (s) => ({ errorsToApp: !s.errorsToApp }),
  },
  outage: {
    label: 'Microsoft is down',
    on: (s) => s.outage.length > 0,
    flip: (s) => ({ outage: s.outage.length > 0 ? [] : [...AREAS] }),
  },
  expired: {
    label: "The application's credential has expired",
    on: (s) => s.credentialExpired,
    flip: (s) => ({ credentialExpired: !s.credentialExpired }),
  },
  everybody: {
    label: 'MFA is required of every user',
    on: (s) => s.requireMfa === 'everybody',
    flip: (s) => ({ requireMfa: s.requireMfa === 'everybody' ? 'registered' : 'everybody' }),
  },
  amr: { label: 'ID tokens carry amr', on: (s) => s.amr, flip: (s) => ({ amr: !s.amr }) },
  bound: {
    label: 'Authentication context c1 is bound to a policy',
    on: (s) => s.boundContexts.includes('c1'),
    flip: (s) => ({ boundContexts: s.boundContexts.includes('c1') ? [] : ['c1'] }),
  },
}

function adminPage(c: Context, world: World): Answer {
  return render(
    c,
    { title: 'Administration', wide: true },
    <div>
      <h1>Administration of the simulated directory</h1>
      <Users world={world} />
      <h1>Switches</h1>
      <form method="post" action="/_admin">
        {Object.entries(TOGGLES).map(([name, toggle]) => (
          <p>
            <button name="switch" value={name}>
              {toggle.on(world.switches) ? 'Turn off' : 'Turn on'}
            </button>{' '}
            {toggle.label}: <strong>{toggle.on(world.switches) ? 'yes' : 'no'}</strong>
          </p>
        ))}
      </form>
      <p class="soft">
        The same and more, for scripts: <code>GET /_control/users</code>,{' '}
        <code>POST /_control/users/&#123;upn&#125;</code>, <code>GET|POST /_control/switches</code>,{' '}
        <code>POST /_control/auto</code>.
      </p>
    </div>,
  )
}

const Users = ({ world }: { world: World }) => (
  <div class="scroll">
    <table>
      <thead>
        <tr>
          <th scope="col">User</th>
          <th scope="col">Password</th>
          <th scope="col">State</th>
          <th scope="col">Roles</th>
          <th scope="col">Change</th>
        </tr>
      </thead>
      <tbody>
        {world
          .users()
          .slice(0, 200)
          .map((user) => row(world, user))}
      </tbody>
    </table>
  </div>
)

function row(world: World, user: User) {
  const state = [
    user.deleted ? 'deleted' : user.accountEnabled ? 'enabled' : 'disabled',
    user.mfa === 'none' ? 'no MFA' : 'MFA',
    user.assigned ? 'assigned' : 'not assigned',
  ]
  return (
    <tr>
      <td>
        {user.name}
        <br />
        <span class="soft">
          {user.upn} · {world.tenant(user.tid)?.name}
        </span>
      </td>
      <td>
        <code>{user.password}</code>
      </td>
      <td>{state.join(', ')}</td>
      <td>
        {user.roles.join(', ') || '–'}
        {user.wids.length > 0 ? <span class="soft"> + directory role</span> : null}
      </td>
      <td>
        <form method="post" action={`/_admin/${encodeURIComponent(user.upn)}`}>
          {Object.entries(ACTS).map(([name, act]) => (
            <button name="act" value={name} aria-label={`${act.label(user)}: ${user.name}`}>
              {act.label(user)}
            </button>
          ))}
        </form>
      </td>
    </tr>
  )
}
