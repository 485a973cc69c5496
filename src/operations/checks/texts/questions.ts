/** The question that each check of /setup/checks answers, by its id. */
export const QUESTIONS: Readonly<Record<string, string>> = {
  'credential-expiry': 'Does the credential expire soon?',
  microsoft: 'Can Microsoft be reached?',
  clock: 'Do the clocks agree?',
  credential: 'Does Entra accept the broker’s credential?',
  registration: 'Does Entra’s sign-in page accept the broker’s request?',
  consent: 'Has the tenant consented?',
  'mfa-proof': 'Is MFA proved?',
  're-entry': 'Is periodic re-entry of password and MFA enforced?',
  'fresh-sign-in': 'Is a fresh sign-in demanded after a revocation?',
  'federated-domains': 'Do federated domains ask for the password again?',
  'optional-claims': 'Do the optional claims arrive?',
  'graph-permission': 'Does the broker hold Graph’s permission?',
  'graph-subscription': 'Does Graph notify the broker of changes?',
  brokers: 'Does every broker and worker send its heartbeat?',
}
