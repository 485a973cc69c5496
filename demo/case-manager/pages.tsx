import type { ReasonClass } from '@case-manager/guard'
import type { Child } from 'hono/jsx'
import { raw } from 'hono/html'
import type { Case } from './cases.ts'

/**
 * The pages that users see. They are rendered here; the one script only removes the content when
 * the session has ended.
 */

export interface Place {
  name: string
  issuer: string
  other: { name: string; url: string } | undefined
}

interface Frame {
  place: Place
  title: string
  narrow?: boolean
  user?: { name: string; email: string | undefined }
  live?: boolean
  children?: Child
}

const cityOf = (name: string): string => name.split(' ').at(-1) ?? name

const Mark = ({ name }: { name: string }) => (
  <a class="mark" href="/">
    <span aria-hidden="true">{cityOf(name).slice(0, 3).toUpperCase()}</span>
    {name}
  </a>
)

function Layout({ place, title, narrow, user, live, children }: Frame) {
  return (
    <>
      {raw('<!doctype html>')}
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <meta name="viewport" content="width=device-width, initial-scale=1" />
          <title>{`${title} · ${place.name}`}</title>
          <link rel="stylesheet" href="/style.css" />
          <link rel="icon" href="data:," />
        </head>
        <body class={cityOf(place.name).toLowerCase()}>
          <div id="page">
            <Bar place={place} user={user} />
            <main class={narrow ? 'narrow' : undefined}>{children}</main>
          </div>
          {live && (
            <>
              <template id="ended">
                <header class="bar">
                  <div>
                    <Mark name={place.name} />
                  </div>
                </header>
                <main class="narrow arrive">
                  <Ended />
                </main>
              </template>
              <script src="/app.js" type="module"></script>
            </>
          )}
        </body>
      </html>
    </>
  )
}

const Bar = ({ place, user }: { place: Place; user: Frame['user'] | undefined }) => (
  <header class="bar">
    <div>
      <Mark name={place.name} />
      {user && (
        <>
          <p class="who">
            {user.name}
            {user.email && <small>{user.email}</small>}
          </p>
          <form method="post" action="/sign-out">
            <button class="button quiet" type="submit">
              Sign out
            </button>
          </form>
        </>
      )}
    </div>
  </header>
)

/** The instance's words for each class of reasons that the broker gives. */
const WHY: Record<ReasonClass, string> = {
  signed_out: 'You signed out in this browser.',
  signed_out_remotely: 'You used another device to sign out.',
  signed_out_everywhere: 'You signed out everywhere.',
  replaced:
    'Another person used this browser to sign in, so you were signed out here. They cannot see your cases.',
  session_limit: 'You signed in on another device, which took the place of this one.',
  administrator: 'An administrator signed you out.',
  locked: 'Your access to Case Manager was locked. While it is locked, you cannot sign in.',
  account:
    'Your organization has switched off your account or your access to Case Manager. You cannot sign in until it is switched on again. Contact your IT administrator.',
  expired:
    'You were signed out automatically, because you were not active or had been signed in for too long.',
  ended_elsewhere:
    'You were signed out from elsewhere. If you did not expect this, tell your IT administrator.',
}

export const wordsOf = (why: ReasonClass | undefined): string | undefined => why && WHY[why]

const Ended = ({ why }: { why?: ReasonClass | undefined }) => (
  <section class="card big" role="alert">
    <h1 tabindex={-1}>You have been signed out</h1>
    <p class="why">{wordsOf(why)}</p>
    <p class="soft">Your cases are kept: nothing in them changed.</p>
    <Microsoft />
  </section>
)

/** "Sign in with Microsoft" by Microsoft's branding guidelines. */
const Microsoft = () => (
  <a class="microsoft" href="/sign-in">
    <svg width="21" height="21" viewBox="0 0 21 21" aria-hidden="true" focusable="false">
      <rect x="0" y="0" width="10" height="10" fill="#f25022" />
      <rect x="11" y="0" width="10" height="10" fill="#7fba00" />
      <rect x="0" y="11" width="10" height="10" fill="#00a4ef" />
      <rect x="11" y="11" width="10" height="10" fill="#ffb900" />
    </svg>
    Sign in with Microsoft
  </a>
)

const Elsewhere = ({ place }: { place: Place }) =>
  place.other ? (
    <a class="button quiet" href={`${place.other.url}/sign-in`}>
      Go to {place.other.name}
    </a>
  ) : null

export const WelcomePage = ({ place, canceled }: { place: Place; canceled: boolean }) => (
  <Layout place={place} title="Welcome" narrow>
    <section class="card big">
      <h1>{place.name}</h1>
      {canceled && <p role="status">You did not sign in. Nothing was changed.</p>}
      <p class="soft">Sign in with your work account to see your cases.</p>
      <Microsoft />
      <Elsewhere place={place} />
      <p class="small soft">
        Do others use this computer too?{' '}
        <a href={`${place.issuer}/signin/start?return_to=/&computer=shared`}>
          Sign in on a shared computer
        </a>
        . Trouble signing in? <a href={`${place.issuer}/account/ready`}>Check your account</a>
      </p>
    </section>
  </Layout>
)

const Cases = ({ cases }: { cases: Case[] }) => (
  <section class="card scroll" aria-label="Cases" tabindex={0}>
    <table>
      <caption>Your cases, the newest first</caption>
      <thead>
        <tr>
          <th scope="col">Number</th>
          <th scope="col">Case</th>
          <th scope="col">Status</th>
          <th scope="col">Updated</th>
        </tr>
      </thead>
      <tbody>
        {cases.map((entry) => (
          <tr>
            <td>{entry.number}</td>
            <td>{entry.title}</td>
            <td>
              <span class={`status ${entry.status.toLowerCase().replace(' ', '-')}`}>
                {entry.status}
              </span>
            </td>
            <td>{entry.updated}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </section>
)

export const CasesPage = ({
  place,
  user,
  cases,
}: {
  place: Place
  user: { name: string; email: string | undefined }
  cases: Case[]
}) => (
  <Layout place={place} title="Your cases" user={user} live>
    <div class="head">
      <h1>Your cases</h1>
      <p id="live" class="soft small"></p>
      <noscript class="soft small">Without scripts, reload the page to see the latest.</noscript>
    </div>
    <Cases cases={cases} />
    <div class="row">
      <a class="button" href="/sealed">
        Open the sealed case
      </a>
      <Elsewhere place={place} />
      <a class="button quiet" href={`${place.issuer}/account`}>
        Where you are signed in
      </a>
    </div>
    <p class="soft small">
      When you are signed out, this page hides your cases. Nothing in them changes.
    </p>
  </Layout>
)

export const SealedPage = ({
  place,
  user,
  sealed,
}: {
  place: Place
  user: { name: string; email: string | undefined }
  sealed: Case
}) => (
  <Layout place={place} title="Sealed case" user={user} live>
    <div class="head">
      <h1>Sealed case</h1>
      <p id="live" class="soft small"></p>
    </div>
    <Cases cases={[sealed]} />
    <div class="row">
      <a class="button quiet" href="/">
        Back to your cases
      </a>
    </div>
    <p class="soft small">
      You used your passkey less than five minutes ago. After five minutes, this page asks for it
      again.
    </p>
  </Layout>
)

export const StaysSealedPage = ({ place }: { place: Place }) => (
  <Layout place={place} title="The case stays sealed" narrow>
    <section class="card big">
      <h1>The case stays sealed</h1>
      <p>
        It opens only for users who sign in with a passkey or a security key. Your organization has
        not set that up for Case Manager.
      </p>
      <p class="soft">Ask your IT administrator for it. You are still signed in.</p>
      <a class="button" href="/">
        Back to your cases
      </a>
    </section>
  </Layout>
)

export const SignedOutPage = ({ place, why }: { place: Place; why: ReasonClass | undefined }) => (
  <Layout place={place} title="Signed out" narrow>
    <Ended why={why} />
  </Layout>
)

/** The page after a sign-out that began here: what ended, and what may still be open. */
export const FinalPage = ({ place }: { place: Place }) => (
  <Layout place={place} title="Signed out" narrow>
    <section class="card big">
      <h1>You are signed out of Case Manager</h1>
      <p>
        In this browser, {place.name} and every other Case Manager that you opened show no data any
        more.
      </p>
      <p class="soft">
        On a shared computer, see whether Microsoft 365 (Outlook, Teams and others) is still open.
      </p>
      <a class="button quiet" href={`${place.issuer}/logout/done`}>
        See what you are signed out of
      </a>
      <Microsoft />
    </section>
  </Layout>
)

export const ProblemPage = ({
  place,
  title,
  words,
  again,
}: {
  place: Place
  title: string
  words: string
  again: string
}) => (
  <Layout place={place} title={title} narrow>
    <section class="card big">
      <h1>{title}</h1>
      <p class="soft">{words}</p>
      <a class="button" href={again}>
        Try again
      </a>
    </section>
  </Layout>
)
