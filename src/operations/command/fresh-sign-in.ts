import { misused } from './broker.ts'
import { CASE_AND_COMMENT, type Called, group, option, verb } from './context.ts'
import { time } from './show.ts'
import { SAYS } from './texts/answers.ts'

/**
 * The command `cmb fresh-sign-in`, which waives a fresh sign-in that cannot be proved
 * (docs/fresh-sign-in.md).
 */
export const freshSignInCommands = group(
  'fresh-sign-in',
  verb({
    name: 'waive',
    at: 'POST /fresh-sign-in/waivers',
    takes: {
      hours: option('--hours <n>', 'for how long, 1 to 168')
        .argParser(Number)
        .makeOptionMandatory(),
      ...CASE_AND_COMMENT,
    },
    flags: [
      option('--subject <sub>', 'one user'),
      option('--tenant <tid>', 'the users of one Microsoft tenant'),
    ],
    members: ({
      options: { subject: sub, tenant: tid },
    }: Called<{ subject?: string; tenant?: string }>) => {
      if ((sub === undefined) === (tid === undefined)) throw misused(SAYS.whose)
      return { selector: sub === undefined ? { kind: 'tenant', tid } : { kind: 'subject', sub } }
    },
    words: ({ until, seq }) =>
      `Waived until ${time(until)}, for revocations up to number ${seq} in the log.\n`,
  }),
)
