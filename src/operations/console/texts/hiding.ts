/** The words of hiding a problem. */
const HIDE = {
  button: 'Hide for 30 days',
  by: (who: string | undefined, until: string): string => `Hidden by ${who}, until ${until}. `,
  result: 'hidden',
}

/** The words of taking a report of a user off the list. */
const MARK: typeof HIDE = {
  button: 'Mark as done',
  by: (who) => `Marked as done by ${who}. `,
  result: 'done',
}

export const hidingWords = ({ check }: { check: string }): typeof HIDE =>
  check === 'user-reports' ? MARK : HIDE

/** The results of hiding, by the name in the address. */
export const HID: Readonly<Record<string, string>> = {
  hidden:
    'Hidden for 30 days, or until its words change. The overview and cmb status go on naming it.',
  done: 'Marked as done. The user’s page and the audit log keep the report.',
  unhidden: 'It counts again.',
}

export const PROBLEM = {
  none: 'No check fails, and every instance gets what it should.',
  whatToDo: 'What to do:',
  showAgain: 'Show again',
  reported:
    'Call the user. If an attacker uses the account, lock it. Revoke the user’s sessions in Entra too: that closes Outlook and Teams on the device.',
  sessionsOf: 'See the user’s sessions',
  lock: (name: string): string => `Lock ${name.split(' · ')[0]}`,
}
