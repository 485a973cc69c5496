/** The words of the part of the list of users that signs several of them out. */
export const TOGETHER = {
  title: 'Several users at once',
  confirm:
    'Nothing is revoked until you confirm it on the next page. Every user of an instance or a tenant is signed out from its page.',
  picked: 'Sign out those picked',
} as const
