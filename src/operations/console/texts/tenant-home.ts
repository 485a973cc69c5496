/** The words of the first page of a tenant's administrator. */
export const HOME = {
  yours: 'Your organization',
  title: 'Your tenant',
  search:
    'Search above for a user of your organization to see their sessions, sign them out or lock them. The page Sessions lists who is signed in now.',
  assertedBy: 'Proof of MFA asserted by',
  notAsserted: 'No administrator of your tenant has asserted that a policy demands MFA.',
  whoAsserts:
    'Operators of Case Manager cannot see the policies of your tenant. So a Global, Conditional Access or Security Administrator of the tenant asserts that one of them demands MFA.',
  consent: 'Consent and proof of MFA',
} as const
