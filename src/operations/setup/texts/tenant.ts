/** The words of the page of one tenant at /setup. */

export const OPERATORS = 'Its app roles Broker.Operator and Broker.Administrator count.'

/** The acts that need a tick. */
export const SURE = {
  operators: {
    summary: 'Make this the operator tenant',
    words: 'From then on only its users can operate the broker. You may lose access.',
    tick: 'Only its app roles Broker.Operator and Broker.Administrator shall count',
    button: 'Change the operator tenant',
  },
  remove: (name: string) => ({
    summary: 'Remove this tenant',
    words: 'The broker signs all its users out everywhere at once and rejects their sign-ins.',
    tick: `Remove ${name}`,
    button: 'Remove',
  }),
}

export const ITS_PAGE = {
  what: 'An administrator of this tenant consents, confirms it and asserts the proof of MFA on a page of its own. If that is you, go on there. Otherwise send them its address.',
  goOn: 'Continue as its administrator',
  link: 'A link for its administrator',
  valid: 'They open it in their own browser. It is valid for a week.',
} as const

export const SETTINGS = {
  title: 'Change its name, or who administers its users',
  operatorsOnly: 'Only operators see and sign out the users of this tenant.',
  administeredBy: (role: string, issuer: string): string =>
    `Users with the ${role.includes(':') ? 'directory' : 'app'} role ${role.split(':').at(-1)} administer it, at ${issuer}/tenant.`,
}
