import type { Command } from 'commander'
import { CommandFailure, EXIT } from './broker.ts'
import { asJson, examples, type Context } from './context.ts'
import { sendAgreed } from './preview.ts'
import { columns, time, type Cell } from './show.ts'

/** The connection to Microsoft: tenants, the token of the first visit to /setup, what to register in Entra. */
export function tenantCommands(program: Command, context: Context): void {
  const tenants = program
    .command('tenants')
    .description('Manage the Microsoft tenants whose users may sign in.')
    .addOption(asJson())
    .action(async (_options: unknown, command: Command) => {
      const answer = await (await context.broker(command)).get<{ tenants: Record<string, Cell>[]; differences: string[] }>('/tenants')
      context.print(command, answer, () => {
        const rows = answer.tenants.map((one) => [
          one.tid,
          one.name,
          one.allowed === true ? 'yes' : 'no',
          one.mfa_proof,
          one.operators === true ? 'yes' : '',
          one.max_authentication_age,
          time(one.consent_confirmed_at),
        ])
        return [
          columns(['TENANT', 'NAME', 'ALLOWED', 'MFA PROOF', 'OPERATORS', 'MAX AGE (S)', 'CONSENT CONFIRMED'], rows),
          ...answer.differences.map((words) => `${words}\n`),
        ].join('')
      })
    })
  addCommand(tenants, context)
  changeCommand(tenants, context)
  removeCommand(tenants, context)
  resumeCommand(tenants, context)
  redriveCommand(tenants, context)
  setupCommands(program, context)
}

function addCommand(tenants: Command, context: Context): void {
  examples(
    tenants
      .command('add <tid>')
      .description('Connect a tenant. Without --mfa-proof, the broker rejects its users until its proof of MFA is chosen at /setup.')
      .option('--name <name>', 'what you call it')
      .option('--mfa-proof <proof>', 'auth_context:c1 (to c25), amr or conditional_access; docs/entra.md says what each proves')
      .addOption(asJson())
      .action(async (tid: string, options: { name?: string; mfaProof?: string }, command: Command) => {
        const body = { tid, name: options.name, mfa_proof: options.mfaProof }
        const answer = await (await context.broker(command)).send<Record<string, string>>('POST', '/tenants', body)
        const next =
          options.mfaProof === undefined
            ? 'Its consent and its proof of MFA remain: open /setup at the operators’ address.'
            : 'Its users can sign in once its administrator has consented: /setup at the operators’ address has the link.'
        context.print(command, answer, () => `${answer.tid} is connected. ${next}\n`)
      }),
    'cmb tenants add 6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11 --name Contoso',
  )
}

function changeCommand(tenants: Command, context: Context): void {
  examples(
    tenants
      .command('change <tid>')
      .description(
        'Change when its users’ sessions end by the age of their authentication at Microsoft, or who administers its users at the console.',
      )
      .option('--max-authentication-age <seconds>', 'from 300 on; none: no limit of its own')
      .option('--administrators <who>', 'app_role (Broker.TenantAdministrator), directory_role:<template id>, or none')
      .option('--dry-run', 'show how many sessions a lower age ends at once, and change nothing')
      .option('--yes', 'do not ask (an age that ends sessions asks)')
      .addOption(asJson())
      .action(async (tid: string, options: Changed, command: Command) => {
        const request = { method: 'PATCH', path: `/tenants/${encodeURIComponent(tid)}`, body: changeOf(options) } as const
        const answer = await sendAgreed(context, command, request, { ask: 'if_sessions_end', dryRun: options.dryRun, yes: options.yes })
        if (answer !== undefined) context.print(command, answer, () => `${tid} is changed. Sessions that are open already follow within seconds.\n`)
      }),
    'cmb tenants change 6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11 --max-authentication-age 28800',
    'cmb tenants change 6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11 --administrators app_role',
  )
}

interface Changed {
  maxAuthenticationAge?: string
  administrators?: string
  dryRun?: boolean
  yes?: boolean
}

/** @throws CommandFailure where nothing is to be changed, or the age is not a number */
function changeOf({ maxAuthenticationAge: age, administrators }: Changed): Record<string, unknown> {
  if (age === undefined && administrators === undefined)
    throw new CommandFailure(EXIT.usage, 'Name what to change: --max-authentication-age, or --administrators.')
  if (age !== undefined && age !== 'none' && !/^\d{1,9}$/.test(age))
    throw new CommandFailure(EXIT.usage, '--max-authentication-age: give seconds, or none.')
  return {
    ...(age !== undefined && { max_authentication_age: age === 'none' ? null : Number(age) }),
    ...(administrators !== undefined && { administrators: administrators === 'none' ? null : administrators }),
  }
}

function removeCommand(tenants: Command, context: Context): void {
  examples(
    tenants
      .command('remove <tid>')
      .description('Remove a tenant: the broker signs its users out everywhere at once, and rejects their sign-ins.')
      .option('--yes', 'do not ask')
      .addOption(asJson())
      .action(async (tid: string, options: { yes?: boolean }, command: Command) => {
        const broker = await context.broker(command)
        if (options.yes !== true) await sure(context, tid)
        const answer = await broker.send('DELETE', `/tenants/${encodeURIComponent(tid)}`)
        context.print(command, answer, () => `${tid} is removed; its users are signed out.\n`)
      }),
    'cmb tenants remove 6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11',
  )
}

function resumeCommand(tenants: Command, context: Context): void {
  examples(
    tenants
      .command('resume-probe <tid>')
      .description('Resume the probe of a tenant after its alarm (cmb status shows why it was paused).')
      .addOption(asJson())
      .action(async (tid: string, _options: unknown, command: Command) => {
        const answer = await (await context.broker(command)).send('POST', `/tenants/${encodeURIComponent(tid)}/probe/resume`)
        context.print(command, answer, () => `Sessions of ${tid} are probed again.\n`)
      }),
    'cmb tenants resume-probe 6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11',
  )
}

function redriveCommand(tenants: Command, context: Context): void {
  examples(
    tenants
      .command('redrive [tid]')
      .description('Retry requests to Microsoft that failed for a day (cmb status shows them): of one tenant, or with --all.')
      .option('--all', 'of every tenant')
      .addOption(asJson())
      .action(async (tid: string | undefined, options: { all?: true }, command: Command) => {
        if ((tid === undefined) === (options.all === undefined)) throw new CommandFailure(EXIT.usage, 'Name one tenant, or use --all.')
        const answer = await (await context.broker(command)).send<{ redriven: number }>('POST', '/microsoft-work/redrive', { tid, all: options.all })
        context.print(command, answer, () => `${answer.redriven} will be retried now.\n`)
      }),
    'cmb tenants redrive --all',
  )
}

async function sure({ terminal }: Context, tid: string): Promise<void> {
  if (terminal.ask === undefined) throw new CommandFailure(EXIT.usage, 'This needs a confirmation, and there is no terminal to ask at. Add --yes.')
  const answer = await terminal.ask(`Sign out every user of ${tid} and reject their sign-ins from now on? Type yes: `)
  if (answer !== 'yes') throw new CommandFailure(EXIT.failed, 'Nothing was changed.')
}

function setupCommands(program: Command, context: Context): void {
  examples(
    program
      .command('setup')
      .description('Print a one-time token for /setup, where an operator connects the broker to Microsoft.')
      .option('--recover', 'also if there is an administrator, when none can sign in')
      .addOption(asJson())
      .action(async (options: { recover?: true }, command: Command) => {
        const path = options.recover === true ? '/setup/recovery-token' : '/setup/token'
        const answer = await (await context.broker(command)).send<{ token: string; expires_at: number; url: string }>('POST', path)
        context.print(
          command,
          answer,
          () => `Open ${answer.url} and type this token there. It is good once, until ${time(answer.expires_at)}.\n\n  ${answer.token}\n`,
        )
      }),
    'cmb setup',
  )
  const entra = program.command('entra').description('Show what to register for the broker in Microsoft Entra ID.')
  examples(
    entra
      .command('manifest')
      .description('Print the app registration’s manifest as JSON: an application object of Microsoft Graph.')
      .option('--several-tenants', 'for more than one tenant')
      .action(async (options: { severalTenants?: boolean }, command: Command) => {
        const query = options.severalTenants === true ? '?tenants=several' : ''
        context.terminal.out(`${JSON.stringify(await (await context.broker(command)).get(`/entra/manifest${query}`), null, 2)}\n`)
      }),
    'cmb entra manifest > case-manager-app.json',
  )
}
