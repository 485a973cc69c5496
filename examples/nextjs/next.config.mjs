export default {
  // Next.js does not bundle them: Node loads them from node_modules.
  serverExternalPackages: ['@case-manager/guard', 'openid-client'],
  turbopack: { root: import.meta.dirname },
}
