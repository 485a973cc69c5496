import type { Child } from 'hono/jsx'

/** The words of the part of a tenant's page that proposes the proof of MFA. */

export const notAsserted = (proof: string): Child => (
  <>
    No administrator of this tenant has asserted <code>{proof}</code>. Only they can read its
    policies: send them the link.
  </>
)

export const PROOF = {
  choose: 'Choose what proves MFA',
  ask: 'Ask its administrator to assert it',
  several:
    'Case Manager admits no user without a second factor. Microsoft has several ways to prove one; choose the one that is true in this tenant.',
  what: 'What proves it',
  context: 'Which authentication context',
  strong: 'Which one requires phishing-resistant MFA',
  noStrong: 'None: applications cannot ask for it',
} as const
