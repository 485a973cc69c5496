import type { Command } from 'commander'
import { CommandFailure, EXIT } from './broker.ts'
import {
  type Called,
  type CaseAndComment,
  caseAndComment,
  type Context,
  verb,
  withCaseAndComment,
} from './context.ts'
import { time } from './show.ts'

interface WaiveOptions extends CaseAndComment {
  subject?: string
  tenant?: string
  hours: string
}

/**
 * Defines `cmb fresh-sign-in`, which waives a fresh sign-in that cannot be proved
 * (docs/fresh-sign-in.md).
 */
export function freshSignInCommands(program: Command, context: Context): void {
  const group = program
    .command('fresh-sign-in')
    .description('Waive the fresh sign-in that users need after their sessions were revoked.')
  verb(group, context, {
    name: 'waive',
    about:
      'For some hours, let a user or the users of a tenant sign in without entering the password again. Later revocations are not covered.',
    options: (command) =>
      withCaseAndComment(
        command
          .option('--subject <sub>', 'one user')
          .option('--tenant <tid>', 'the users of one Microsoft tenant')
          .requiredOption('--hours <n>', 'for how long, 1 to 168'),
      ),
    ask: (broker, { options }: Called<WaiveOptions>) => {
      const { subject, tenant, hours } = options
      if ((subject === undefined) === (tenant === undefined))
        throw new CommandFailure(
          EXIT.usage,
          'Name whose fresh sign-in to waive by exactly one of: --subject, --tenant.',
        )
      const selector =
        subject === undefined ? { kind: 'tenant', tid: tenant } : { kind: 'subject', sub: subject }
      const body = { selector, hours: Number(hours), ...caseAndComment(options) }
      return broker.send<{ until: number; seq: number }>('POST', '/fresh-sign-in/waivers', body)
    },
    words: ({ until, seq }) =>
      `Waived until ${time(until)}, for revocations up to number ${seq} in the log.\n`,
    examples: [
      'cmb fresh-sign-in waive --subject u_9fK… --hours 4 --case INC-4711',
      'cmb fresh-sign-in waive --tenant 6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11 --hours 24 --comment "auth_time is missing"',
    ],
  })
}
