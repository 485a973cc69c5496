import type { Command } from 'commander'
import type { z } from 'zod'
import type { tenant } from '../contract/shapes.ts'
import { CommandFailure, EXIT } from './broker.ts'
import { agree, type Called, type Context, examples, path, verb } from './context.ts'
import { type Agreeing, sendAgreed } from './preview.ts'
import { columns, time } from './show.ts'

const HEAD = [
  'TENANT',
  'NAME',
  'ALLOWED',
  'MFA PROOF',
  'OPERATORS',
  'MAX AGE (S)',
  'CONSENT CONFIRMED',
]
const EXAMPLE = '6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11'

/**
 * Defines `cmb tenants`, `cmb setup` and `cmb entra`: the connection to Microsoft, the token of the
 * first visit to /setup, and the app registration in Entra.
 */
export function tenantCommands(program: Command, context: Context): void {
  const tenants = verb(program, context, {
    name: 'tenants',
    about: 'Manage the Microsoft tenants whose users may sign in.',
    ask: (broker) =>
      broker.get<{ tenants: z.output<typeof tenant>[]; differences: string[] }>('/tenants'),
    words: (answer) => {
      const rows = answer.tenants.map((one) => [
        one.tid,
        one.name,
        one.allowed ? 'yes' : 'no',
        one.mfa_proof,
        one.operators ? 'yes' : '',
        one.max_authentication_age,
        time(one.consent_confirmed_at),
      ])
      return [columns(HEAD, rows), ...answer.differences.map((words) => `${words}\n`)].join('')
    },
  })
  addCommand(tenants, context)
  changeCommand(tenants, context)
  removeCommand(tenants, context)
  retryCommands(tenants, context)
  setupCommands(program, context)
}

function addCommand(tenants: Command, context: Context): void {
  verb(tenants, context, {
    name: 'add <tid>',
    about:
      'Connect a tenant. Without --mfa-proof, the broker rejects its users until its proof of MFA is chosen at /setup.',
    options: (command) =>
      command
        .option('--name <name>', 'what you call it')
        .option(
          '--mfa-proof <proof>',
          'auth_context:c1 (to c25), amr or conditional_access; docs/entra.md says what each proves',
        ),
    ask: (
      broker,
      { id: tid, options: { name, mfaProof } }: Called<{ name?: string; mfaProof?: string }>,
    ) => broker.send<{ tid: string }>('POST', '/tenants', { tid, name, mfa_proof: mfaProof }),
    words: ({ tid }, { options: { mfaProof } }) =>
      `${tid} is connected. ${
        mfaProof === undefined
          ? 'Its consent and its proof of MFA remain: open /setup at the operators’ address.'
          : 'Its users can sign in once its administrator has consented: /setup at the operators’ address has the link.'
      }\n`,
    examples: [`cmb tenants add ${EXAMPLE} --name Contoso`],
  })
}

function changeCommand(tenants: Command, context: Context): void {
  verb(tenants, context, {
    name: 'change <tid>',
    about:
      'Change when its users’ sessions end by the age of their authentication at Microsoft, or who administers its users at the console.',
    options: (command) =>
      command
        .option('--max-authentication-age <seconds>', 'from 300 on; none: no limit of its own')
        .option(
          '--administrators <who>',
          'app_role (Broker.TenantAdministrator), directory_role:<template id>, or none',
        )
        .option('--dry-run', 'show how many sessions a lower age ends at once, and change nothing')
        .option('--yes', 'do not ask (an age that ends sessions asks)'),
    ask: (broker, called: Called<Changed>) => {
      const request = {
        method: 'PATCH',
        path: path`/tenants/${called.id}`,
        body: changeOf(called.options),
      } as const
      return sendAgreed<object>(broker, called, request, 'if_sessions_end')
    },
    words: (_, { id }) =>
      `${id} is changed. Sessions that are open already follow within seconds.\n`,
    examples: [
      `cmb tenants change ${EXAMPLE} --max-authentication-age 28800`,
      `cmb tenants change ${EXAMPLE} --administrators app_role`,
    ],
  })
}

interface Changed extends Agreeing {
  maxAuthenticationAge?: string
  administrators?: string
}

/**
 * Returns the requested change. @throws CommandFailure if nothing changes or the age is not a
 * number
 */
function changeOf({ maxAuthenticationAge: age, administrators }: Changed): Record<string, unknown> {
  if (age === undefined && administrators === undefined)
    throw new CommandFailure(
      EXIT.usage,
      'Name what to change: --max-authentication-age, or --administrators.',
    )
  if (age !== undefined && age !== 'none' && !/^\d{1,9}$/.test(age))
    throw new CommandFailure(EXIT.usage, '--max-authentication-age: give seconds, or none.')
  return {
    ...(age !== undefined && { max_authentication_age: age === 'none' ? null : Number(age) }),
    ...(administrators !== undefined && {
      administrators: administrators === 'none' ? null : administrators,
    }),
  }
}

function removeCommand(tenants: Command, context: Context): void {
  verb(tenants, context, {
    name: 'remove <tid>',
    about:
      'Remove a tenant: the broker signs its users out everywhere at once, and rejects their sign-ins.',
    options: (command) => command.option('--yes', 'do not ask'),
    ask: async (broker, { id, options: { yes } }: Called<{ yes?: boolean }>) => {
      const does = `This signs out every user of ${id} and rejects their sign-ins from now on.`
      if (yes !== true) await agree(context, does, does)
      return broker.send('DELETE', path`/tenants/${id}`)
    },
    words: (_, { id }) => `${id} is removed; its users are signed out.\n`,
    examples: [`cmb tenants remove ${EXAMPLE}`],
  })
}

function retryCommands(tenants: Command, context: Context): void {
  verb(tenants, context, {
    name: 'resume-probe <tid>',
    about: 'Resume the probe of a tenant after its alarm (cmb status shows why it was paused).',
    ask: (broker, { id }) => broker.send('POST', path`/tenants/${id}/probe/resume`),
    words: (_, { id }) => `Sessions of ${id} are probed again.\n`,
    examples: [`cmb tenants resume-probe ${EXAMPLE}`],
  })
  verb(tenants, context, {
    name: 'redrive [tid]',
    about:
      'Retry requests to Microsoft that failed for a day (cmb status shows them): of one tenant, or with --all.',
    options: (command) => command.option('--all', 'of every tenant'),
    ask: (broker, { id, options: { all } }: Called<{ all?: true }>) => {
      if ((id === '') === (all === undefined))
        throw new CommandFailure(EXIT.usage, 'Name one tenant, or use --all.')
      return broker.send<{ redriven: number }>('POST', '/microsoft-work/redrive', {
        tid: id || undefined,
        all,
      })
    },
    words: ({ redriven }) => `${redriven} will be retried now.\n`,
    examples: ['cmb tenants redrive --all'],
  })
}

function setupCommands(program: Command, context: Context): void {
  verb(program, context, {
    name: 'setup',
    about: 'Print a one-time token for /setup, where an operator connects the broker to Microsoft.',
    options: (command) =>
      command.option('--recover', 'also if there is an administrator, when none can sign in'),
    ask: (broker, { options: { recover } }: Called<{ recover?: true }>) =>
      broker.send<{ token: string; expires_at: number; url: string }>(
        'POST',
        recover === true ? '/setup/recovery-token' : '/setup/token',
      ),
    words: ({ url, expires_at: until, token }) =>
      `Open ${url} and type this token there. It is valid once, until ${time(until)}.\n\n  ${token}\n`,
    examples: ['cmb setup'],
  })
  examples(
    program
      .command('entra')
      .description('Show what to register for the broker in Microsoft Entra ID.')
      .command('manifest')
      .description(
        'Print the app registration’s manifest as JSON: an application object of Microsoft Graph.',
      )
      .option('--several-tenants', 'for more than one tenant')
      .action(async (options: { severalTenants?: boolean }, command: Command) => {
        const query = options.severalTenants === true ? '?tenants=several' : ''
        context.terminal.out(
          `${JSON.stringify(await (await context.broker(command)).get(`/entra/manifest${query}`), null, 2)}\n`,
        )
      }),
    'cmb entra manifest > case-manager-app.json',
  )
}
