import { CommandFailure, EXIT } from './broker.ts'
import { type Called, group, local, option, sure, verb, YES } from './context.ts'
import { agreed, type Agreeing } from './preview.ts'
import { table, time } from './show.ts'

const EXAMPLE = '6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11'

interface Changed extends Agreeing {
  name?: string
  maxAuthenticationAge?: string
  administrators?: string
}

/**
 * Returns the requested change. @throws CommandFailure if nothing changes or the age is not a
 * number
 */
function changeOf({
  options: { name, maxAuthenticationAge: age, administrators: who },
}: Called<Changed>) {
  if (name === undefined && age === undefined && who === undefined)
    throw new CommandFailure(
      EXIT.usage,
      'Name what to change: --name, --max-authentication-age, or --administrators.',
    )
  if (age !== undefined && age !== 'none' && !/^\d{1,9}$/.test(age))
    throw new CommandFailure(EXIT.usage, '--max-authentication-age: give seconds, or none.')
  return {
    ...(name !== undefined && { name }),
    ...(age !== undefined && { max_authentication_age: age === 'none' ? null : Number(age) }),
    ...(who !== undefined && { administrators: who === 'none' ? null : who }),
  }
}

/** The commands `cmb tenants`: the tenants whose users may sign in. */
export const tenantCommands = verb(
  {
    name: 'tenants',
    at: 'GET /tenants',
    about: 'Manage the Microsoft tenants whose users may sign in.',
    words: ({ tenants, differences }) =>
      [
        table(tenants, {
          TENANT: 'tid',
          NAME: 'name',
          ALLOWED: ({ allowed }) => (allowed ? 'yes' : 'no'),
          'MFA PROOF': 'mfa_proof',
          OPERATORS: ({ operators }) => (operators ? 'yes' : ''),
          'MAX AGE (S)': 'max_authentication_age',
          'CONSENT CONFIRMED': 'consent_confirmed_at',
        }),
        ...differences.map((words) => `${words}\n`),
      ].join(''),
  },
  verb({
    name: 'add <tid>',
    at: 'POST /tenants',
    about:
      'Connect a tenant. Without --mfa-proof, the broker rejects its users until its proof of MFA is chosen at /setup.',
    takes: {
      name: option('--name <name>', 'what you call it'),
      mfa_proof: option(
        '--mfa-proof <proof>',
        'auth_context:c1 (to c25), amr or conditional_access; docs/entra.md says what each proves',
      ),
    },
    words: ({ tid }, { options: { mfaProof } }: Called<{ mfaProof?: string }>) =>
      `${tid} is connected. ${
        mfaProof === undefined
          ? 'Its consent and its proof of MFA remain: open /setup at the operators’ address.'
          : 'Its users can sign in once its administrator has consented: /setup at the operators’ address has the link.'
      }\n`,
    examples: [`cmb tenants add ${EXAMPLE} --name Contoso`],
  }),
  verb({
    name: 'change <tid>',
    at: 'PATCH /tenants/:tid',
    about:
      'Change its name, when its users’ sessions end by the age of their authentication at Microsoft, or who administers its users at the console.',
    flags: [
      option('--name <name>', 'what you call it'),
      option('--max-authentication-age <seconds>', 'from 300 on; none: no limit of its own'),
      option(
        '--administrators <who>',
        'app_role (Broker.TenantAdministrator), directory_role:<template id>, or none',
      ),
      option('--dry-run', 'show how many sessions a lower age ends at once, and change nothing'),
      option('--yes', 'do not ask (an age that ends sessions asks)'),
    ],
    members: changeOf,
    ask: agreed('if_sessions_end'),
    words: (_, { id }) =>
      `${id} is changed. Sessions that are open already follow within seconds.\n`,
    examples: [
      `cmb tenants change ${EXAMPLE} --name Contoso`,
      `cmb tenants change ${EXAMPLE} --max-authentication-age 28800`,
      `cmb tenants change ${EXAMPLE} --administrators app_role`,
    ],
  }),
  verb({
    name: 'remove <tid>',
    at: 'DELETE /tenants/:tid',
    about:
      'Remove a tenant: the broker signs its users out everywhere at once, and rejects their sign-ins.',
    flags: [YES],
    ask: sure(
      ({ id }) => `This signs out every user of ${id} and rejects their sign-ins from now on.`,
    ),
    words: (_, { id }) => `${id} is removed; its users are signed out.\n`,
    examples: [`cmb tenants remove ${EXAMPLE}`],
  }),
  verb({
    name: 'resume-probe <tid>',
    at: 'POST /tenants/:tid/probe/resume',
    about: 'Resume the probe of a tenant after its alarm (cmb status shows why it was paused).',
    words: (_, { id }) => `Sessions of ${id} are probed again.\n`,
    examples: [`cmb tenants resume-probe ${EXAMPLE}`],
  }),
  verb({
    name: 'redrive [tid]',
    at: 'POST /microsoft-work/redrive',
    about:
      'Retry requests to Microsoft that failed for a day (cmb status shows them): of one tenant, or with --all.',
    takes: { all: option('--all', 'of every tenant') },
    members: ({ id, options: { all } }: Called<{ all?: true }>) => {
      if ((id === '') === (all === undefined))
        throw new CommandFailure(EXIT.usage, 'Name one tenant, or use --all.')
      return {}
    },
    words: ({ redriven }) => `${redriven} will be retried now.\n`,
    examples: ['cmb tenants redrive --all'],
  }),
)

export const setupCommand = verb({
  name: 'setup',
  at: 'POST /setup/token',
  about: 'Print a one-time token for /setup, where an operator connects the broker to Microsoft.',
  flags: [option('--recover', 'also if there is an administrator, when none can sign in')],
  ask: (send, { broker, options: { recover } }: Called<{ recover?: true }>) =>
    recover === true ? broker.ask('POST /setup/recovery-token') : send(),
  words: ({ url, expires_at: until, token }) =>
    `Open ${url} and type this token there. It is valid once, until ${time(until)}.\n\n  ${token}\n`,
  examples: ['cmb setup'],
})

export const entraCommands = group(
  'entra',
  'Show what to register for the broker in Microsoft Entra ID.',
  local<{ severalTenants?: boolean }>(
    {
      name: 'manifest',
      about:
        'Print the app registration’s manifest as JSON: an application object of Microsoft Graph.',
      flags: [option('--several-tenants', 'for more than one tenant')],
      examples: ['cmb entra manifest > case-manager-app.json'],
    },
    async ({ context, self, options: { severalTenants } }) => {
      const tenants = severalTenants === true ? 'several' : undefined
      const manifest = await (await context.broker(self)).ask('GET /entra/manifest', { tenants })
      context.terminal.out(`${JSON.stringify(manifest, null, 2)}\n`)
    },
  ),
)
