import type { TenantRow } from '../../db/types.ts'
import type { Deps } from '../deps.ts'
import type { Examination } from '../microsoft/administration.ts'
import { registration } from '../microsoft/registration.ts'
import type { Visit } from './frame.tsx'
import type { Seen } from './seen.ts'
import { when } from './tenant.tsx'

/** Each thing that has to be right: how it is, and how to mend it. */

export interface Check {
  question: string
  /** `unknown`: nothing has shown it yet. */
  is: 'yes' | 'no' | 'unknown'
  found: string
  mend?: string | undefined
}

const MOST_SKEW_SECONDS = 30
const DAY = 86_400

export async function credentialEnd({ administration, now, deps }: Visit): Promise<Check> {
  const question = 'Is the credential good for a while?'
  const end = await administration.credentialEnd()
  if (end === undefined) {
    const secret = deps.connection.current().credential?.kind === 'secret'
    return {
      question,
      is: 'unknown',
      found: secret ? 'A client secret does not say when it ends.' : 'It does not say when it ends.',
      mend: 'Entra does: App registrations, Case Manager, Certificates & secrets. Note the date, and renew it before.',
    }
  }
  const days = Math.floor((end - now) / DAY)
  const mend = 'Upload a new certificate’s public half to Entra, then change it here or in the settings: Entra takes both meanwhile.'
  if (days < 0) return { question, is: 'no', found: `The certificate ended at ${when(end) ?? ''}.`, mend }
  return {
    question,
    is: days >= 30 ? 'yes' : 'no',
    found: `The certificate ends at ${when(end) ?? ''}, in ${days} days.`,
    mend: days >= 30 ? undefined : mend,
  }
}

export async function tenantChecks({ deps, now }: Visit, seen: Seen, looked: Examination): Promise<Check[]> {
  const { row } = seen
  return [
    metadata(looked),
    clock(looked),
    credential(looked),
    consent(row, looked),
    proof(seen),
    claims(seen),
    permission(looked),
    await subscription(deps, row.tid, now),
  ]
}

const metadata = ({ metadata: found }: Examination): Check =>
  found.ok
    ? { question: 'Is Microsoft’s metadata reached?', is: 'yes', found: 'The discovery document was read just now.' }
    : {
        question: 'Is Microsoft’s metadata reached?',
        is: 'no',
        found: found.problem,
        mend: 'Check the tenant id; let the broker reach the authority over https (proxy, firewall, DNS).',
      }

function clock({ metadata: found }: Examination): Check {
  const question = 'Do the clocks agree?'
  if (!found.ok || found.skewSeconds === undefined) return { question, is: 'unknown', found: 'Microsoft did not say its time.' }
  const skew = Math.abs(found.skewSeconds)
  if (skew <= MOST_SKEW_SECONDS) return { question, is: 'yes', found: `Within ${Math.max(1, skew)} s.` }
  const words = `This machine’s clock is ${skew} s ${found.skewSeconds > 0 ? 'behind' : 'ahead of'} Microsoft’s.`
  return { question, is: 'no', found: words, mend: 'Let NTP set it: tokens of the future or of the past are refused.' }
}

function credential({ credential: found }: Examination): Check {
  const question = 'Does Entra take our credential?'
  if (found === undefined) return { question, is: 'unknown', found: 'Not asked: the metadata was not reached.' }
  if (found.ok) return { question, is: 'yes', found: 'Entra gave the application a token just now.' }
  const code = found.code === undefined ? '' : ` (AADSTS${found.code})`
  return {
    question,
    is: 'no',
    found: `${found.problem}${code}`,
    mend: 'Certificates & secrets in the app registration: renew it there, then enter it under “Change the application”.',
  }
}

function consent(row: TenantRow, looked: Examination): Check {
  const question = 'Has the tenant consented?'
  if (row.consentConfirmedAt !== undefined)
    return { question, is: 'yes', found: `Confirmed by ${row.consentConfirmedBy ?? 'an administrator'}, ${when(row.consentConfirmedAt) ?? ''}.` }
  if (looked.credential?.ok && looked.credential.graphRoles.length > 0)
    return { question, is: 'yes', found: 'Nobody has confirmed it here, but the application holds permissions that only consent for all gives.' }
  return { question, is: 'no', found: 'Nobody has confirmed it.', mend: 'Open the tenant, press “Granting consent”, then “Confirm by signing in”.' }
}

function proof({ row, decided }: Seen): Check {
  const question = 'Is MFA proved?'
  if (!decided) return { question, is: 'no', found: 'No proof is chosen: nobody of this tenant gets in.', mend: 'Open the tenant, “Proof of MFA”.' }
  const context = /^auth_context:(c\d+)$/.exec(row.mfaProof)?.[1]
  if (row.proofAssertedAt === undefined) {
    return {
      question,
      is: context === undefined ? 'unknown' : 'no',
      found:
        context === undefined
          ? `By ${row.mfaProof}, as the settings or a command said; nobody has vouched for it.`
          : `By ${row.mfaProof}, and nobody has confirmed that a policy is bound to ${context}. Without one, Entra sends ${context} all the same and it proves nothing.`,
      mend: 'Open the tenant, “Proof of MFA”: try it, and confirm what you have looked at.',
    }
  }
  const words = context === undefined ? '' : ` A policy is bound to ${context} by that word.`
  return { question, is: 'yes', found: `By ${row.mfaProof}, asserted by ${row.proofAssertedBy ?? ''}, ${when(row.proofAssertedAt) ?? ''}.${words}` }
}

/** What goes wrong where one is missing. `acrs` is asked for by name and shows itself in the proof. */
const NEEDED_FOR: Readonly<Record<string, string>> = {
  sid: 'without it a sign-out at Microsoft 365 does not reach us',
  login_hint: 'without it signing out of Microsoft asks which account',
  auth_time: 'without it no demand for a fresh sign-in can be met, the console’s among them',
  email: 'without it instances get no email address',
}

function claims({ trial }: Seen): Check {
  const question = 'Do the optional claims arrive?'
  if (trial === undefined) return { question, is: 'unknown', found: 'No sign-in has shown it yet.', mend: 'Open the tenant and sign in once.' }
  const missing = Object.entries(trial.claims).flatMap(([name, there]) => (there ? [] : [name]))
  if (missing.length === 0) return { question, is: 'yes', found: `${Object.keys(trial.claims).join(', ')} arrived, ${when(trial.at) ?? ''}.` }
  // An account without a mailbox has no email, whatever is registered.
  const is = missing.some((name) => name !== 'email') ? 'no' : 'unknown'
  const found = `Missing: ${missing.map((name) => `${name} (${NEEDED_FOR[name] ?? ''})`).join('; ')}.`
  return { question, is, found, mend: 'Token configuration in the app registration: add them for the ID token, then sign in once more.' }
}

function permission({ credential: found }: Examination): Check {
  const question = 'Is Graph’s permission there?'
  if (!found?.ok) return { question, is: 'unknown', found: 'Not known while the credential is not taken.' }
  const has = registration('')
    .application.filter(({ name }) => found.graphRoles.includes(name))
    .map(({ name }) => name)
  if (has.includes('User.Read.All')) return { question, is: 'yes', found: `${has.join(', ')}.` }
  return {
    question,
    is: 'no',
    found: 'User.Read.All is not there: a disabled account is found by the probe alone, minutes later.',
    mend: 'API permissions in the app registration: add it as an application permission, then grant consent again.',
  }
}

async function subscription({ store, config }: Pick<Deps, 'store' | 'config'>, tid: string, now: number): Promise<Check> {
  const question = 'Does Graph tell us of changes?'
  const kept = await store.setting(`graph/${tid}/subscription`)
  const until = kept === undefined ? undefined : (JSON.parse(kept) as { until?: number }).until
  const { tenants } = config.signals.graph
  if (tenants !== 'all' && !tenants.includes(tid))
    return {
      question,
      is: 'unknown',
      found: 'Graph is not used for this tenant: the probe finds disabled accounts, minutes later.',
      mend: 'BROKER_GRAPH=yes switches it on (docs/configuration.md).',
    }
  if (until === undefined)
    return {
      question,
      is: 'no',
      found: 'There is no subscription yet.',
      mend: 'It is made by itself once consent is given for User.Read.All and Microsoft reaches the issuer’s address from the internet; the log says why it is not.',
    }
  if (until > now) return { question, is: 'yes', found: `The subscription is alive until ${when(until) ?? ''}, and is renewed by itself.` }
  return {
    question,
    is: 'no',
    found: `The subscription ended at ${when(until) ?? ''}.`,
    mend: 'It is made anew by itself; if it is not, the log says why (graph_subscription…).',
  }
}
