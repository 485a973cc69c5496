import { misused } from './broker.ts'
import { CASE_AND_COMMENT, type Called, group, option, verb } from './context.ts'
import { time } from './show.ts'

/**
 * The command `cmb fresh-sign-in`, which waives a fresh sign-in that cannot be proved
 * (docs/fresh-sign-in.md).
 */
export const freshSignInCommands = group(
  'fresh-sign-in',
  'Waive the fresh sign-in that users need after their sessions were revoked.',
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
      if ((sub === undefined) === (tid === undefined))
        throw misused('Name whose fresh sign-in to waive by exactly one of: --subject, --tenant.')
      return { selector: sub === undefined ? { kind: 'tenant', tid } : { kind: 'subject', sub } }
    },
    words: ({ until, seq }) =>
      `Waived until ${time(until)}, for revocations up to number ${seq} in the log.\n`,
    examples: [
      'cmb fresh-sign-in waive --subject u_9fK… --hours 4 --case INC-4711',
      'cmb fresh-sign-in waive --tenant 6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11 --hours 24 --comment "auth_time is missing"',
    ],
  }),
)
