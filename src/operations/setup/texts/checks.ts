/** The words of /setup/checks. */
export const CHECKS = {
  title: 'Does everything work?',
  good: 'All good.',
  wrong: (number: number): string =>
    number === 1 ? 'One thing needs you.' : `${number} things need you.`,
  again: 'Check again',
}
