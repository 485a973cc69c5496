/** The words of the entrance of /setup. */

export const ENTRANCE = {
  recovery:
    'A recovery token was made with cmb setup --recover. It is valid once, for 15 minutes. Enter that token here.',
  forWhom:
    'This is for administrators of the broker: users of the operator tenant with the app role Broker.Administrator.',
} as const

export const noAdministrator = (
  <>
    This broker has no administrator yet. On the machine where it runs, run <code>cmb setup</code>{' '}
    (or <code>npx cmb setup</code>): it prints a token that is valid once, for 15 minutes. Enter
    that token here.
  </>
)
