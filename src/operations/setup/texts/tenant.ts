/** The words of the page of one tenant at /setup. */

export const OPERATORS = 'Its app roles Broker.Operator and Broker.Administrator count.'

/** The question that each check of the page answers, by its id. These checks cost nothing. */
export const QUESTIONS: Readonly<Record<string, string>> = {
  consent: 'Has the tenant consented?',
  'mfa-proof': 'Is MFA proved?',
  're-entry': 'Is periodic re-entry of password and MFA enforced?',
}

/** The act that needs a tick. */
export const SURE = {
  summary: 'Make this the operator tenant',
  words: 'From then on only its users can operate the broker. You may lose access.',
  tick: 'Only its app roles Broker.Operator and Broker.Administrator shall count',
  button: 'Change the operator tenant',
}

export const CHANGE = (tid: string): string =>
  `To change its name or who administers its users, run on the broker’s machine: cmb tenants change ${tid}. To remove it: cmb tenants remove ${tid}.`

export const ITS_PAGE = {
  what: 'An administrator of this tenant consents, confirms it and asserts the proof of MFA on a page of its own. If that is you, go on there. Otherwise send them its address.',
  goOn: 'Continue as its administrator',
  link: 'A link for its administrator',
  valid: 'They open it in their own browser. It is valid for a week.',
} as const
