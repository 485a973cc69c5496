import type { Context } from 'hono'
import type { EntraError } from './aadsts.ts'
import { isLive, type Browser } from './browser.ts'
import type { Flow } from './flow.ts'
import { render } from './layout.tsx'
import type { World } from './world.ts'

/**
 * The pages of a sign-in, with one form each. The pressed button is the answer. Field names for
 * scripts: `loginfmt`, `passwd`, `account` (a UPN, or `other`), `number`, `enrol`, `consent`,
 * `kmsi`. The number to match is in `#number`.
 */

type Answer = Response | Promise<Response>

const who = (flow: Flow) => <p class="who">{flow.user?.upn}</p>
const problem = (flow: Flow) =>
  flow.problem ? (
    <p class="problem" role="alert" id="problem">
      {flow.problem}
    </p>
  ) : null

export function choosePage(c: Context, browser: Browser, flow: Flow): Answer {
  return render(
    c,
    { title: 'Pick an account' },
    <form method="post">
      <h1>Pick an account</h1>
      <p class="soft">to continue to {flow.request.app.name}</p>
      {problem(flow)}
      {browser.accounts.map((account) => (
        <button class="tile" name="account" value={account.user.upn}>
          {account.user.name}
          <small>
            {account.user.upn} · {isLive(account) ? 'Signed in' : 'Signed out'}
          </small>
        </button>
      ))}
      <button class="tile" name="account" value="other">
        Use another account
      </button>
    </form>,
  )
}

export function emailPage(c: Context, browser: Browser, flow: Flow): Answer {
  return render(
    c,
    { title: 'Sign in' },
    <form method="post">
      <h1>Sign in</h1>
      <p class="soft">to continue to {flow.request.app.name}</p>
      {problem(flow)}
      <label for="loginfmt">Email</label>
      <input
        id="loginfmt"
        name="loginfmt"
        type="email"
        autocomplete="username"
        value={flow.request.loginHint?.includes('@') ? flow.request.loginHint : ''}
        required
        autofocus
      />
      <div class="actions">
        <button class="primary" id="next">
          Next
        </button>
        {browser.accounts.length > 0 ? (
          <button name="account" value="list" formnovalidate>
            Back
          </button>
        ) : null}
      </div>
    </form>,
  )
}

export function passwordPage(c: Context, flow: Flow): Answer {
  return render(
    c,
    { title: 'Enter password' },
    <form method="post">
      {who(flow)}
      <h1>Enter password</h1>
      {problem(flow)}
      <input
        type="text"
        name="username"
        autocomplete="username"
        value={flow.user?.upn ?? ''}
        hidden
        readonly
      />
      <label for="passwd">Password</label>
      <input
        id="passwd"
        name="passwd"
        type="password"
        autocomplete="current-password"
        required
        autofocus
      />
      <p class="soft">
        In this simulation the password is <code>{flow.user?.password}</code>
      </p>
      <div class="actions">
        <button class="primary" id="signin">
          Sign in
        </button>
        <button name="account" value="other" formnovalidate>
          Back
        </button>
      </div>
    </form>,
  )
}

export function approvePage(c: Context, flow: Flow): Answer {
  const phone = (
    <aside class="phone" aria-label="Simulated phone">
      <h2>Authenticator</h2>
      <p>
        {flow.user?.name}, are you trying to sign in to {flow.request.app.name}? Tap the number that
        you see.
      </p>
      <form method="post">
        {flow.matching?.offered.map((number) => (
          <button name="number" value={String(number)}>
            {number}
          </button>
        ))}
        <button class="no" name="number" value="no">
          No, it's not me
        </button>
      </form>
    </aside>
  )
  return render(
    c,
    { title: 'Approve sign in request', aside: phone },
    <div>
      {who(flow)}
      <h1>Approve sign in request</h1>
      {problem(flow)}
      <p>
        Open your Authenticator app, and tap the number shown to sign in. (The phone beside this is
        yours.)
      </p>
      <p class="number" id="number">
        {flow.matching?.shown}
      </p>
    </div>,
  )
}

/** The two buttons of a page that asks whether to go on. */
const YesOrNo = ({ name, yes, no }: { name: string; yes: string; no: string }) => (
  <div class="actions">
    <button class="primary" name={name} value="yes">
      {yes}
    </button>
    <button name={name} value="no">
      {no}
    </button>
  </div>
)

export function passkeyPage(c: Context, flow: Flow): Answer {
  return render(
    c,
    { title: 'Face, fingerprint, PIN or security key' },
    <form method="post">
      {who(flow)}
      <h1>Face, fingerprint, PIN or security key</h1>
      <p>Your organization requires a passkey for this. Your device asks you to use it.</p>
      <YesOrNo name="passkey" yes="Use the passkey" no="Cancel" />
    </form>,
  )
}

export function enrolPage(c: Context, flow: Flow): Answer {
  return render(
    c,
    { title: 'More information required' },
    <form method="post">
      {who(flow)}
      <h1>More information required</h1>
      <p>
        Your organization needs more information to keep your account secure: set up the
        Authenticator app on your phone.
      </p>
      <p class="soft">AADSTS50079</p>
      <YesOrNo name="enrol" yes="Set it up" no="Cancel" />
    </form>,
  )
}

export function consentPage(c: Context, world: World, flow: Flow, administrator: boolean): Answer {
  const { app, kind, scope } = flow.request
  const tenant = flow.user && world.tenant(flow.user.tid)
  const wide = kind === 'adminconsent'
  return render(
    c,
    { title: 'Permissions requested' },
    <form method="post">
      {who(flow)}
      <h1>Permissions requested</h1>
      <p>
        {wide ? `Review for ${tenant?.name ?? 'your organization'}` : `${app.name} would like to:`}
      </p>
      <ul>
        <li>Sign you in and read your profile</li>
        {scope.includes('offline_access') ? (
          <li>Maintain access to data you have given it access to</li>
        ) : null}
        {wide ? app.graphRoles.map((role) => <li>{role} (application)</li>) : null}
      </ul>
      {administrator && !wide ? (
        <label>
          <input type="checkbox" name="organisation" value="yes" /> Consent on behalf of your
          organization
        </label>
      ) : null}
      <YesOrNo name="consent" yes="Accept" no="Cancel" />
    </form>,
  )
}

export function kmsiPage(c: Context, flow: Flow): Answer {
  return render(
    c,
    { title: 'Stay signed in?' },
    <form method="post">
      {who(flow)}
      <h1>Stay signed in?</h1>
      <p>Do this to reduce the number of times you are asked to sign in.</p>
      <YesOrNo name="kmsi" yes="Yes" no="No" />
    </form>,
  )
}

export function needAdminPage(c: Context, flow: Flow): Answer {
  return render(
    c,
    { title: 'Need admin approval' },
    <form method="post">
      {who(flow)}
      <h1>Need admin approval</h1>
      <p>
        <strong>{flow.request.app.name}</strong> needs permission to access resources in your
        organization that only an admin can grant. Please ask an admin to grant permission to this
        app before you can use it.
      </p>
      <p class="soft">AADSTS90094</p>
      <p>
        <button class="tile" name="account" value="other">
          Have an admin account? Sign in with that account
        </button>
      </p>
      <p>
        <button class="tile" name="consent" value="no">
          Return to the application without granting consent
        </button>
      </p>
    </form>,
    403,
  )
}

/** Renders Entra's own error page, on which the user stays. The application gets no answer. */
export function errorPage(
  c: Context,
  world: World,
  error: EntraError,
  correlationId: string,
  canSwitch = false,
): Answer {
  const body = error.body(world.clock.nowMs(), correlationId)
  const status =
    error.code === 90033
      ? 503
      : error.code === 90055
        ? 429
        : error.code === 50105 || error.code === 50057
          ? 403
          : 400
  return render(
    c,
    { title: 'Trouble signing you in' },
    <form method="post">
      <h1>Sorry, but we're having trouble signing you in.</h1>
      <p id="problem" role="alert">
        AADSTS{error.code}: {error.text}
      </p>
      <p class="soft">
        Correlation ID: {body.correlation_id}
        <br />
        Timestamp: {body.timestamp}
      </p>
      {canSwitch ? (
        <div class="actions">
          <button name="account" value="other">
            Sign in with another account
          </button>
        </div>
      ) : null}
    </form>,
    status,
  )
}
