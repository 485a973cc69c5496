/** The words of the set-up on each kind of proof of MFA. */

interface Kind {
  label: string
  hint: string
  means: (context: string) => string[]
  assertion: (context: string) => string
}

export const KINDS: Readonly<Record<'auth_context' | 'amr' | 'conditional_access', Kind>> = {
  auth_context: {
    label: 'An authentication context, bound to a policy that requires MFA',
    hint: 'The strongest. Needs Entra ID P1.',
    means: (context) => [
      `In Entra: Conditional Access, Authentication contexts: make ${context} (“Require MFA”), published to apps. Then Policies, New policy: target Authentication context ${context}, all users, grant “Require multifactor authentication”, and On.`,
      `The trap: where no policy is bound to ${context}, Entra says ${context} all the same, MFA or not. That it arrives proves nothing by itself; it proves MFA only because you have bound it. So look at the policy now, and try with an account that has no second factor: Microsoft has to stop it.`,
    ],
    assertion: (context) =>
      `I have looked: a Conditional Access policy that requires multifactor authentication is bound to ${context}, is On (not report-only), and covers every user of Case Manager.`,
  },
  amr: {
    label: 'amr: Entra itself says “mfa” in the token',
    hint: 'Use it only if it arrives. Entra’s v2.0 tokens often have none, and then no user can sign in.',
    means: () => [
      'The broker rejects a user whose token has no amr with mfa. Try it with a sign-in: if no amr arrives, choose an authentication context.',
    ],
    assertion: () => 'I know that users whose token does not say mfa are rejected.',
  },
  conditional_access: {
    label: 'A Conditional Access policy on the application, which you vouch for',
    hint: 'The weakest: the broker cannot see it, and takes your word.',
    means: () => [
      'In Entra: Conditional Access, Policies, New policy: target resource Case Manager, all users, grant “Require multifactor authentication”, and On. Nothing of it arrives in the token. If an administrator changes the policy later, the broker does not learn of it.',
    ],
    assertion: () =>
      'I have looked: a Conditional Access policy that requires multifactor authentication of every user of Case Manager is On (not report-only). I vouch for it.',
  },
}

/** The words on the context for a phishing-resistant proof, which a proof of MFA may name too. */
export const PHISHING_RESISTANT: Pick<Kind, 'means' | 'assertion'> = {
  means: (context) => [
    `For phishing-resistant sign-in, in Entra: make the authentication context ${context}, published to apps. Then a policy: target Authentication context ${context}, all users, grant “Require authentication strength: Phishing-resistant MFA”, and On. Entra sends ${context} without a policy too, so look at the policy, and try with an account that has no passkey: Microsoft has to stop it.`,
  ],
  assertion: (context) =>
    `And I have looked: a policy that requires the authentication strength Phishing-resistant MFA is bound to ${context}, is On, and covers every user of Case Manager.`,
}
