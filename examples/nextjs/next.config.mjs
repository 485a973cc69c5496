export default {
  // They are used as Node finds them, not bundled.
  serverExternalPackages: ['@case-manager/guard', 'openid-client'],
  turbopack: { root: import.meta.dirname },
}
