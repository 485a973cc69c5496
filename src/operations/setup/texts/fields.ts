/** The labels and hints of the fields of /setup, by the name of the field. */
export const FIELDS = {
  client_id: {
    label: 'Application (client) id',
    hint: 'App registrations, Case Manager, Overview.',
  },
  client_secret: { label: 'Client secret, its value', hint: 'Not the “Secret ID”.' },
  secret_expires: {
    label: 'The day on which the secret expires',
    placeholder: '2027-03-31',
    hint: 'Entra shows it beside the secret. The broker warns from 30 days before. Leave it empty to keep the day of a secret that was entered before.',
  },
  certificate: { label: 'Or private key and certificate, in PEM' },
  tid: {
    label: 'Directory (tenant) id',
    hint: 'Entra ID, Overview. The users of this tenant will sign in.',
  },
  name: {
    label: 'What you call the tenant',
    hint: 'For you and other operators, “Contoso” for instance.',
  },
} as const

/** The hint of a field whose value was typed before and is not shown again. */
export const TYPED_BEFORE = 'What you typed is kept for 15 minutes. Leave this empty to use it.'

/** The ways in which the broker can authenticate at Entra. */
export const CREDENTIALS = [
  {
    value: 'secret',
    label: 'A client secret',
    hint: 'It expires after two years at most. Entra shows it once.',
  },
  {
    value: 'pem',
    label: 'A certificate',
    hint: 'The private key never leaves the broker: you upload the certificate to Entra.',
  },
] as const

/** The problems of what was entered in the form of the application. */
export const PROBLEMS = {
  client_id: 'The application (client) id is a GUID: App registrations, Case Manager, Overview.',
  secret_expires: 'Write the day on which the secret expires like 2027-03-31.',
  client_secret: 'Enter the value of the client secret, or a certificate.',
  secret_id: 'That is the “Secret ID”. Enter the “Value” that Entra showed once beside it.',
} as const
