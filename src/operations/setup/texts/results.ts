/** The results of the set-up's steps, as its pages show them. The address names one by its key. */

export interface StepResult {
  kind: 'good' | 'warn' | 'bad'
  title: string
  words?: string | undefined
}

export const RESULTS = {
  no_tenant: {
    kind: 'bad',
    title: 'Nothing was changed: this tenant is no longer connected, or was changed meanwhile.',
    words: 'Look at it again below.',
  },
  consented: {
    kind: 'good',
    title: 'Microsoft says that consent was given.',
    words: 'Now confirm it: an administrator of the tenant signs in once.',
  },
  confirmed: { kind: 'good', title: 'Consent is confirmed.' },
  no_role: {
    kind: 'warn',
    title: 'The sign-in went through, and it confirms no consent.',
    words:
      'That account holds no directory role that may consent for the tenant (Global Administrator, for instance). Sign in with one that does.',
  },
  not_consented: {
    kind: 'warn',
    title: 'The sign-in worked, but no administrator has consented for the whole tenant yet.',
    words: 'Press “Granting consent” first, then sign in again.',
  },
  nobody_operates: {
    kind: 'bad',
    title: 'The broker has seen no administrator of that tenant yet.',
    words:
      'Nothing was changed. First an administrator of that tenant who has its app role Broker.Administrator asserts its proof of MFA. Otherwise no administrator could sign in here again.',
  },
  proposed: {
    kind: 'good',
    title: 'The proof of MFA is proposed.',
    words: 'It counts once an administrator of that tenant asserts it, by the link below.',
  },
  no_policy_role: {
    kind: 'bad',
    title: 'The sign-in went through, and asserts nothing.',
    words:
      'That account holds no directory role that sees the policies of your tenant: Global Administrator, Conditional Access Administrator or Security Administrator. Nothing was changed.',
  },
  not_proved: {
    kind: 'bad',
    title: 'The sign-in went through, and did not show that proof of MFA.',
    words:
      'Nothing was changed. Look at the Conditional Access policy of your tenant, then try again. If amr does not arrive, the operators propose an authentication context instead.',
  },
  proof_changed: {
    kind: 'warn',
    title: 'The operators of Case Manager have proposed another proof meanwhile.',
    words: 'Nothing was changed. Read what is proposed now, then sign in again.',
  },
  no_tick: {
    kind: 'bad',
    title: 'Confirm what you have looked at: tick the box above the button.',
  },
  asserted: {
    kind: 'good',
    title: 'The proof of MFA is set. Users of this tenant can sign in now.',
  },
  saved: { kind: 'good', title: 'Saved.', words: 'Every broker follows within a second.' },
  token_rejected: {
    kind: 'bad',
    title: 'That token is not valid.',
    words:
      'It may have been used, be older than 15 minutes, or be mistyped. Make a new one with `cmb setup` or, once the broker has an administrator, `cmb setup --recover`.',
  },
  not_saved: {
    kind: 'bad',
    title: 'Nothing was saved.',
    words: 'Correct what is marked below, and choose the images again.',
  },
} as const satisfies Readonly<Record<string, StepResult>>
