/** The words of hiding a problem. */
export const HIDE = {
  button: 'Hide for 30 days',
  by: (who: string | undefined, until: string): string => `Hidden by ${who}, until ${until}. `,
}

/** The results of hiding, by the name in the address. */
export const HID: Readonly<Record<string, string>> = {
  hidden:
    'Hidden for 30 days, or until its words change. The overview and cmb status go on naming it.',
  unhidden: 'It counts again.',
}

export const PROBLEM = {
  none: 'No check fails, and every instance gets what it should.',
  whatToDo: 'What to do:',
  showAgain: 'Show again',
  tryAll: 'Retry all',
  reported:
    'Call the user. If an attacker uses the account, lock it. Revoke the user’s sessions in Entra too: that closes Outlook and Teams on the device.',
  sessionsOf: 'See the user’s sessions',
  lock: (name: string): string => `Lock ${name.split(' · ')[0]}`,
}
