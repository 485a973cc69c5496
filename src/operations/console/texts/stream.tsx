import type { SignalStream } from '../../../../db/types.ts'

/** The words of the part of an instance's page that shows its stream. */

export const STREAM = {
  title: 'Security events (Shared Signals)',
  none: 'The receiver may create a stream. It has not created one.',
  noEvent: 'no event yet',
  audit: 'What was changed, in the audit log',
  polled: 'polled by the receiver',
  pushed: (host: string, isVerified: boolean): string =>
    `pushed to ${host}${isVerified ? '' : ', which has not accepted the verification event yet: other events wait'}`,
}

export const DISABLE = (
  <>
    Disable or remove it with <code>cmb streams</code> or the admin API.
  </>
)

export const SET_BY: Record<SignalStream['statusBy'], string> = {
  receiver: 'the receiver',
  broker: 'the broker',
  operator: 'an administrator',
}
