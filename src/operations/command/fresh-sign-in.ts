import type { Command } from 'commander'
import { CommandFailure, EXIT } from './broker.ts'
import { asJson, caseOption, commentOption, type Context, examples } from './context.ts'
import { time } from './show.ts'

interface WaiveOptions {
  subject?: string
  tenant?: string
  hours: string
  case?: string
  comment?: string
}

/** Fresh sign-in after a revocation, where it cannot be proved (docs/fresh-sign-in.md). */
export function freshSignInCommands(program: Command, context: Context): void {
  const group = program.command('fresh-sign-in').description('Waive the fresh sign-in that users need after their sessions were revoked.')
  examples(
    group
      .command('waive')
      .description(
        'For some hours, let a user or the users of a tenant sign in without entering the password again. Later revocations are not covered.',
      )
      .option('--subject <sub>', 'one user')
      .option('--tenant <tid>', 'the users of one Microsoft tenant')
      .requiredOption('--hours <n>', 'for how long, 1 to 168')
      .addOption(caseOption())
      .addOption(commentOption())
      .addOption(asJson())
      .action(async ({ subject, tenant, hours, case: caseReference, comment }: WaiveOptions, command: Command) => {
        if ((subject === undefined) === (tenant === undefined))
          throw new CommandFailure(EXIT.usage, 'Name whose fresh sign-in to waive by exactly one of: --subject, --tenant.')
        const selector = subject === undefined ? { kind: 'tenant', tid: tenant } : { kind: 'subject', sub: subject }
        const body = { selector, hours: Number(hours), case_reference: caseReference, comment }
        const answer = await (await context.broker(command)).send<{ until: number; seq: number }>('POST', '/fresh-sign-in/waivers', body)
        context.print(command, answer, () => `Waived until ${time(answer.until)}, for revocations up to number ${answer.seq} in the log.\n`)
      }),
    'cmb fresh-sign-in waive --subject u_9fK… --hours 4 --case INC-4711',
    'cmb fresh-sign-in waive --tenant 6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11 --hours 24 --comment "auth_time is missing"',
  )
}
