/** The words of the pages that connect the application and another tenant. */
export const CONNECTION = {
  title: 'The application in Entra',
  first:
    'The first tenant is also the operator tenant: its app roles Broker.Operator and Broker.Administrator count.',
  fromSettings: 'The credential comes from the broker’s settings.',
  changeThere: 'Change it there, then restart the broker.',
  how: 'How the broker authenticates',
  before: {
    pem: 'The certificate that was entered before',
    secret: 'The client secret that was entered before',
  },
  expires: (day: string): string => `It expires on ${day}.`,
  another: 'Another tenant',
  several:
    'For several tenants the app registration has to be “Accounts in any organizational directory”. Users of the new tenant cannot sign in before its administrator has consented and asserted its proof of MFA.',
}
