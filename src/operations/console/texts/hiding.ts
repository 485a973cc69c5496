/** The words of hiding a problem: the rows of the page that confirms it, and its result. */
const HIDE = {
  button: 'Hide for 30 days',
  title: 'Check before you hide this',
  what: 'Hidden',
  rows: (until: string): [string, string][] => [
    ['Until', until],
    [
      'Shown again',
      'Earlier if its words change: another number, cause or device. Anyone who may hide it can show it again on the overview.',
    ],
    [
      'Meanwhile',
      'Hiding it repairs nothing. The overview and cmb status do not count it, but their first line goes on naming it. The metrics do not count it.',
    ],
  ],
  by: (who: string | undefined, until: string): string => `Hidden by ${who}, until ${until}. `,
  result: 'hidden',
}

/** The words of taking a report of a user off the list. */
const MARK: typeof HIDE = {
  button: 'Mark as done',
  title: 'Check before you mark this as done',
  what: 'Done',
  rows: () => [
    [
      'Afterwards',
      'The overview, cmb status and the metrics do not count it any more. The user’s page and the audit log keep the report.',
    ],
    ['Shown again', 'Anyone who may mark it as done can show it again on the overview.'],
  ],
  by: (who) => `Marked as done by ${who}. `,
  result: 'done',
}

export const hidingWords = ({ check }: { check: string }): typeof HIDE =>
  check === 'user-reports' ? MARK : HIDE

/** The results of hiding, by the name in the address. */
export const HID: Readonly<Record<string, string>> = {
  hidden: 'Hidden for 30 days, or until its words change. “Show again” is below, beside it.',
  done: 'Marked as done. “Show again” is below, beside it.',
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
