/** Rows of the page that confirms that a problem is hidden. */
export const HIDING: Readonly<Record<string, string>> = {
  'Shown again':
    'Earlier if its words change: another number, cause or device. Anyone who may hide it can show it again on the overview.',
  Meanwhile:
    'Hiding it repairs nothing. The overview and cmb status do not count it, but their first line goes on naming it. The metrics do not count it.',
}

/** The results of hiding, by the name in the address. */
export const HID: Readonly<Record<string, string>> = {
  hidden: 'Hidden for 30 days, or until its words change. “Show again” is below, beside it.',
  unhidden: 'It counts again.',
  changed: 'The problem has changed or ended. Nothing was done.',
}

export const HIDE = 'Hide for 30 days'

export const PROBLEM = {
  none: 'No check fails, and every instance gets what it should.',
  whatToDo: 'What to do:',
  hiddenBy: (who: string | undefined, until: string): string =>
    `Hidden by ${who}, until ${until}. `,
  showAgain: 'Show again',
  check: 'Check before you hide this',
}
