/** The steps of a registration in the Microsoft Entra admin center: where, and what to do there. */
export const REGISTER_STEPS = {
  redirectUris: [
    'Entra ID, App registrations, New registration',
    'Name: Case Manager. Supported account types: “Accounts in this organizational directory only”, or, where several tenants will use this broker, “Accounts in any organizational directory”. Redirect URI: platform Web, and the first of these; add the second under Authentication.',
  ],
  logoutUrl: [
    'Authentication, Front-channel logout URL',
    'Do not tick the boxes for the implicit grant.',
  ],
  credential: [
    'Certificates & secrets',
    'Add a certificate, or a client secret. The secret’s value is shown once: keep it, and the day on which it expires, for the next step of this set-up.',
  ],
  optionalClaims: ['Token configuration, Add optional claim, token type ID', 'Choose these:'],
  delegated: ['API permissions, Microsoft Graph', 'Delegated permissions:'],
  application: ['API permissions, Microsoft Graph', 'Application permissions:'],
  appRoles: [
    'App roles, Create app role',
    'Allowed member types: Users/Groups. Use exactly these values; choose the names yourself.',
  ],
  assignment: [
    'Enterprise applications, Case Manager',
    'Properties: “Assignment required?” Yes. Users and groups: assign every user of Case Manager with the role CaseManager.User, and yourself with Broker.Administrator too.',
  ],
} as const satisfies Record<string, readonly [where: string, words: string]>
