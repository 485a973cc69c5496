import { misused } from './broker.ts'
import { type Called, option, sure, verb, YES } from './context.ts'
import { agreed, type Agreeing } from './preview.ts'
import { time } from './show.ts'
import { OPTION } from './texts/options.ts'
import { SAYS } from './texts/answers.ts'

interface Changed extends Agreeing {
  name?: string
  maxAuthenticationAge?: string
  administrators?: string
  contactName?: string
  contactEmail?: string
  contactTelephone?: string
  contactLink?: string
}

/**
 * Returns the requested change. @throws CommandFailure if nothing changes or the age is not a
 * number
 */
function changeOf({ options }: Called<Changed>) {
  const { name, maxAuthenticationAge: age, administrators: who } = options
  const contact = contactOf(options)
  if (name === undefined && age === undefined && who === undefined && contact === undefined)
    throw misused(
      'Name what to change: --name, --max-authentication-age, --administrators, or --contact-….',
    )
  if (age !== undefined && age !== 'none' && !/^\d{1,9}$/.test(age))
    throw misused('--max-authentication-age: give seconds, or none.')
  return {
    ...(name !== undefined && { name }),
    ...(age !== undefined && { max_authentication_age: age === 'none' ? null : Number(age) }),
    ...(who !== undefined && { administrators: who === 'none' ? null : who }),
    ...(contact !== undefined && { help_contact: contact }),
  }
}

/** Returns the whole help contact; null removes it. */
function contactOf({ contactName: name, contactEmail, contactTelephone, contactLink }: Changed) {
  const given = { name, email: contactEmail, telephone: contactTelephone, link: contactLink }
  const named = Object.entries(given).filter(([, value]) => value !== undefined)
  if (named.length === 0) return undefined
  return named.every(([, value]) => value === 'none') ? null : Object.fromEntries(named)
}

/** The commands `cmb tenants`: the tenants whose users may sign in. */
export const tenantCommands = verb(
  {
    name: 'tenants',
    at: 'GET /tenants',
    columns: {
      tenants: [
        'tid',
        'name',
        'allowed',
        'mfa_proof',
        'operators',
        'max_authentication_age',
        'consent_confirmed_at',
      ],
    },
  },
  verb({
    name: 'add <tid>',
    at: 'POST /tenants',
    takes: {
      name: option('--name <name>', 'what you call it'),
      mfa_proof: option('--mfa-proof <proof>', OPTION.mfa_proof),
    },
    words: ({ tid }, { options: { mfaProof } }: Called<{ mfaProof?: string }>) =>
      `${tid} is connected. ${mfaProof === undefined ? SAYS.no_proof : SAYS.no_consent}\n`,
  }),
  verb({
    name: 'change <tid>',
    at: 'PATCH /tenants/:tid',
    flags: [
      option('--name <name>', 'what you call it'),
      option('--max-authentication-age <seconds>', 'from 300 on; none: no limit of its own'),
      option('--administrators <who>', OPTION.administrators),
      option('--contact-name <name>', OPTION.contact),
      option('--contact-email <address>', 'its email address; none: the tenant has no contact'),
      option('--contact-telephone <number>', 'its telephone number'),
      option('--contact-link <address>', 'its https address'),
      option('--dry-run', OPTION.tenants_dry_run),
      option('--yes', OPTION.tenants_yes),
    ],
    members: changeOf,
    ask: agreed('if_sessions_end'),
  }),
  verb({
    name: 'remove <tid>',
    at: 'DELETE /tenants/:tid',
    flags: [YES],
    ask: sure(
      ({ id }) => `This signs out every user of ${id} and rejects their sign-ins from now on.`,
    ),
  }),
  verb({
    name: 'resume-probe <tid>',
    at: 'POST /tenants/:tid/probe/resume',
  }),
  verb({
    name: 'redrive [tid]',
    at: 'POST /microsoft-work/redrive',
    takes: { all: option('--all', 'of every tenant') },
    members: ({ id, options: { all } }: Called<{ all?: true }>) => {
      if ((id === '') === (all === undefined)) throw misused('Name one tenant, or use --all.')
      return {}
    },
  }),
)

export const setupCommand = verb({
  name: 'setup',
  at: 'POST /setup/token',
  takes: {
    recover: option('--recover', OPTION.recover),
  },
  words: ({ url, expires_at: until, token }) =>
    `Open ${url} and type this token there. It is valid once, until ${time(until)}.\n\n  ${token}\n`,
})
