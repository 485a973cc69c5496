import type { Child } from 'hono/jsx'

/** The commands for what operators do most, where no command does the same as the page. */
const ANY = ['cmb revoke --user NAME', 'cmb lock user --user NAME', 'cmb deliveries close'] as const

/** Adds the option that names the case to a command that has it. */
const withCase = (command: string): string =>
  command.startsWith('cmb deliveries') ? command : `${command} --case CASE`

/** The advice while Microsoft is down. @param same the commands that do the same as the page */
export const advice = (same: readonly string[]): Child => (
  <>
    <strong>Microsoft is down for sign-ins: you cannot sign in now.</strong> On the broker’s
    machine, its user and root need no sign-in.{' '}
    {same.length > 0 ? 'This does the same there:' : 'The commands there:'}
    {(same.length > 0 ? same.map(withCase) : ANY).map((command) => (
      <>
        <br />
        <code>{command}</code>
      </>
    ))}
    <br />
    <code>cmb status</code> says what is wrong. docs/runbook.md, “Microsoft is down, or rejects the
    broker”, says what to do.
  </>
)
