import type { Child } from 'hono/jsx'

/** The words of the tenant's page. */

export const INVITATION = {
  title: 'Allow Case Manager for your organization',
  back: 'Back to the set-up',
  notProposed:
    'The operators of Case Manager have not proposed a proof of MFA yet. Open this link again when they tell you.',
  takes: 'What it takes',
  done: 'Done.',
  toDo: 'To do.',
} as const

export const youAdminister = (tid: string, name = 'your organization'): Child => (
  <>
    You administer <strong>{name}</strong> (Microsoft tenant <code>{tid}</code>), and its users are
    to sign in to Case Manager with their Microsoft accounts. The steps, all at Microsoft:
  </>
)

export const STEP_WORDS = {
  consent: {
    question: '1. Consent',
    link: 'Granting consent',
    words:
      'Microsoft shows what Case Manager may do. You need to be a Global Administrator or a Privileged Role Administrator.',
    asked: 'What Microsoft asks for, and why',
  },
  confirm: {
    question: '2. Confirm that it was you',
    link: 'Confirm by signing in',
    words:
      'An attacker could have sent the answer to your consent, so it counts only when an administrator of the tenant has signed in. The broker stores only your name and your confirmation.',
  },
  assert: {
    question: '3. Is MFA proved?',
    link: 'Sign in to assert it',
    words:
      'Sign in as a Global, Conditional Access or Security Administrator. The next page shows what Microsoft’s token holds; you confirm the words above there.',
  },
} as const

export const doneBy = (who = 'an administrator'): string =>
  `Done: asserted by ${who}. Inform the operator who sent you this link.`

export const proposed = (proof: string): Child => (
  <>
    The operators of Case Manager propose <code>{proof}</code>, and cannot see your policies. An
    administrator of your tenant asserts it:
  </>
)

export const TOO_LATE = {
  title: 'This link is no longer valid',
  what: 'The link was sent more than a week ago or is incomplete, its tenant is no longer connected, or the step was begun in another browser, took too long or was finished already. Nothing was changed.',
  next: 'Open the link again as you got it, or ask the operator who sent it for a new one.',
} as const
