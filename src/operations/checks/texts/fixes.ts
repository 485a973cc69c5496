import type { FailureCause } from '../../../outbox/attempt.ts'
import type { Trouble } from '../../acts/instances.ts'

/** The remedies that the checks of clients name, and the effect of a claim that is missing. */

const RESTORE = 'Start the instance, or correct its logout address.'
/** The remedy for each trouble, and the section of docs/runbook.md that helps. */
export const HELP: Record<Trouble, readonly [fix: string, runbook: string]> = {
  down: [RESTORE, 'an-instance-is-down'],
  failed: [RESTORE, 'an-instance-is-down'],
  rejects: ['Correct its issuer, client id or clock.', 'an-instance-rejects-logout-tokens'],
  unreached: [
    'Register a backchannel_logout_uri, or let it use the guard (docs/relying-party.md).',
    'a-guard-is-outdated-or-gone',
  ],
  unguarded: ['Start its guards. cmb guards shows them.', 'a-guard-is-outdated-or-gone'],
}

/** The remedy for each cause of a failed request to a client. */
export const FIX: Record<FailureCause, string> = {
  connection_refused:
    'Start the instance, or correct the port of its registered address or the firewall.',
  dns: 'Correct the host name in its registered address, or the DNS record of the host name.',
  timeout:
    'Check whether the instance is overloaded, and whether a firewall drops connections of the broker.',
  certificate:
    'Renew the certificate of the instance, and serve it with its intermediate certificates. If a certificate authority of your own signed it, start the broker with NODE_EXTRA_CA_CERTS (docs/configuration.md).',
  connection_lost:
    'Look at the log of the instance and of the proxy in front of it: one of them closes the connection.',
  address_not_allowed: 'Register an address that the broker may call.',
  other: 'Look at the log of the instance, then correct its registered address.',
}

/**
 * The effect of each claim that the sign-in of the tenant's administrator did not bring. `acrs` is
 * left out: the broker requests it by name, and the page that asserts the proof shows whether it
 * came.
 */
export const NEEDED_FOR: Readonly<Record<string, string>> = {
  sid: 'without it, a sign-out at Microsoft 365 does not reach the broker',
  login_hint: 'without it, Microsoft asks at sign-out which account to sign out',
  auth_time: 'without it, no user can prove a fresh sign-in, which the console requires too',
  email: 'without it, instances get no email address',
}
