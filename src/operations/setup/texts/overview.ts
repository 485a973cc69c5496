/** The words of the overview of /setup. */

/** Says what remains before the users of a tenant can sign in. */
export const READY = {
  mustAssert: 'Its administrator must assert the proof of MFA.',
  both: 'Consent and proof of MFA remain.',
  proof: 'The proof of MFA remains.',
  yes: (proof: string): string => `Its users can sign in; MFA is proved by ${proof}.`,
}

export const STEPS = {
  registered: '1. Is Case Manager registered in Entra?',
  known: '2. Does the broker know the application?',
  ready: (tenant: string): string => `3. Is the tenant ready: ${tenant}?`,
  works: '4. Does everything work?',
  administrator: '5. Has an administrator signed in?',
  brand: 'Do pages show your name and logo?',
}

/** The labels of links, and the title of a notice. */
export const HERE = {
  register: 'What to register',
  change: 'Change the application or its credential',
  enter: 'Enter what Entra gave you',
  check:
    'On the broker’s machine: cmb doctor asks Microsoft, and says what is wrong and how to fix it.',
  another: 'Connect another tenant',
  brand: 'Names, logo and color',
  differ: 'The settings differ from the connection in use',
} as const

export const ADMINISTRATOR = {
  signIn: 'Sign in as an administrator',
  check: 'Check your own account',
  yes: 'An administrator has. Other users check their own readiness at the address below.',
  no: 'Sign in as the first administrator of the broker: your account needs the app role Broker.Administrator (Enterprise applications, Case Manager, Users and groups). From then on this page requires that role, and setup tokens no longer work.',
} as const
