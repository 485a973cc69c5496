/** Names in the table of settings that more than one module uses. */

/** The logo of a client, as the broker fetched it. It goes with the registration. */
export const logoSetting = (clientId: string): string => `client_logo/${clientId}`

/** What users see of the organization that runs the broker, as saved at /setup. */
export const brandingSetting = 'branding'
