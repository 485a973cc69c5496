/** Names in the table of settings that more than one module uses. */

/** The logo of a client, as the broker fetched it. It goes with the registration. */
export const logoSetting = (clientId: string): string => `client_logo/${clientId}`

/** What users see of whoever runs the broker, as it is saved at /setup. */
export const brandingSetting = 'branding'
