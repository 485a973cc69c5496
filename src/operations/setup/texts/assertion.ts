/** The words of the page on which an administrator asserts the proof of MFA. */
export const ASSERTION = {
  title: 'Proof of MFA of your organization',
  none: 'none arrived',
  context:
    'Entra sends the context whether or not a policy is bound to it: what you confirm below is what makes it a proof.',
  relies:
    'Case Manager relies on this proof for every user of your tenant. Its operators cannot see your policies; you can.',
  kept: 'Case Manager keeps your name, your role and the time with it.',
  button: 'Assert it',
} as const
