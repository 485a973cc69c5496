export default {
  // Next.js does not bundle these packages: Node loads them from node_modules.
  serverExternalPackages: ['@case-manager/guard', 'openid-client'],
  turbopack: { root: import.meta.dirname },
}
