/**
 * The broker's app registration in Microsoft Entra ID: all values in one place, for the page, the
 * manifest and the script. The GUIDs of Graph are Microsoft's own.
 */

export type ApplicationPermission = 'User.Read.All' | 'User.RevokeSessions.All'
/** The permission that BROKER_MICROSOFT_RISK needs. The manifest does not ask for it. */
export const RISK_PERMISSION = 'IdentityRiskyUser.Read.All'

interface Registration {
  redirectUris: string[]
  /** The address that Entra loads in an iframe when a user signs out of Microsoft 365. */
  logoutUrl: string
  optionalClaims: string[]
  appRoles: { id: string; value: string; name: string; description: string }[]
  /** Graph's delegated permissions, which a sign-in needs. */
  delegated: { id: string; name: string }[]
  /**
   * Graph's application permissions, by which the broker detects disabled accounts and can end
   * sessions at Microsoft.
   */
  application: { id: string; name: ApplicationPermission; why: string }[]
}

export const signInReturn = (issuer: string): string => `${issuer}/signin/callback`

const ROLES: Registration['appRoles'] = [
  {
    id: '5f8c2c1e-6a0b-4b7e-9a51-0c6d1f4e7a01',
    value: 'CaseManager.User',
    name: 'Case Manager user',
    description: 'May use Case Manager.',
  },
  {
    id: '5f8c2c1e-6a0b-4b7e-9a51-0c6d1f4e7a02',
    value: 'Broker.Operator',
    name: 'Identity broker operator',
    description: 'May watch the identity broker and deliver again what an instance has missed.',
  },
  {
    id: '5f8c2c1e-6a0b-4b7e-9a51-0c6d1f4e7a04',
    value: 'Broker.Auditor',
    name: 'Identity broker auditor',
    description: 'May see what operators of the identity broker see, and change nothing.',
  },
  {
    id: '5f8c2c1e-6a0b-4b7e-9a51-0c6d1f4e7a03',
    value: 'Broker.Administrator',
    name: 'Identity broker administrator',
    description:
      'May sign users out, register instances, rotate keys and change the connection to Microsoft.',
  },
  {
    id: '5f8c2c1e-6a0b-4b7e-9a51-0c6d1f4e7a05',
    value: 'Broker.TenantAdministrator',
    name: 'Identity broker administrator of this tenant',
    description:
      'May see, sign out and lock the users of this tenant, if the operators of the identity broker allow it.',
  },
]

export const registration = (issuer: string): Registration => ({
  redirectUris: [signInReturn(issuer), `${issuer}/logout/return`],
  logoutUrl: `${issuer}/signal/microsoft/front-channel-logout`,
  optionalClaims: ['sid', 'login_hint', 'auth_time', 'acrs', 'email'],
  appRoles: ROLES,
  delegated: [
    { id: '37f7f235-527c-4136-accd-4a02d197296e', name: 'openid' },
    { id: '14dad69e-099b-42c9-810b-d002981feec1', name: 'profile' },
    { id: '64a6cdd6-aab1-4aaf-94b8-3cc8405e90d0', name: 'email' },
    { id: '7427e0e9-2fba-42fe-b0c0-848c9e6a8182', name: 'offline_access' },
  ],
  application: [
    {
      id: 'df021288-bdef-4463-88db-98f22de89214',
      name: 'User.Read.All',
      why: 'Microsoft Graph tells the broker when an account is disabled or deleted, and the broker reads whether it is.',
    },
    {
      id: '77f3a031-c388-4f99-b373-dc68676a979e',
      name: 'User.RevokeSessions.All',
      why: 'Optional: “Sign out everywhere” can end the user’s sessions at Microsoft too.',
    },
  ],
})

const GRAPH_APP = '00000003-0000-0000-c000-000000000000'

/** Returns the manifest of the app registration: an application object of Microsoft Graph. */
export function appManifest(
  issuer: string,
  { several = false }: { several?: boolean } = {},
): Record<string, unknown> {
  const { redirectUris, logoutUrl, optionalClaims, appRoles, delegated, application } =
    registration(issuer)
  const access = (permissions: readonly { id: string }[], type: 'Scope' | 'Role') =>
    permissions.map(({ id }) => ({ id, type }))
  return {
    displayName: 'Case Manager',
    signInAudience: several ? 'AzureADMultipleOrgs' : 'AzureADMyOrg',
    web: {
      redirectUris,
      logoutUrl,
      implicitGrantSettings: { enableAccessTokenIssuance: false, enableIdTokenIssuance: false },
    },
    optionalClaims: {
      idToken: optionalClaims.map((name) => ({
        name,
        source: null,
        essential: false,
        additionalProperties: [],
      })),
      accessToken: [],
      saml2Token: [],
    },
    appRoles: appRoles.map(({ id, value, name, description }) => ({
      id,
      value,
      displayName: name,
      description,
      allowedMemberTypes: ['User'],
      isEnabled: true,
    })),
    requiredResourceAccess: [
      {
        resourceAppId: GRAPH_APP,
        resourceAccess: [...access(delegated, 'Scope'), ...access(application, 'Role')],
      },
    ],
  }
}

const GRAPHS: Readonly<Record<string, string>> = {
  'https://login.microsoftonline.us': 'https://graph.microsoft.us',
  'https://login.partner.microsoftonline.cn': 'https://microsoftgraph.chinacloudapi.cn',
}
/** Returns the identifier of Graph as a resource, which depends on the national cloud. */
export const graphResource = (authority: string): string =>
  GRAPHS[authority] ?? 'https://graph.microsoft.com'

const JSON_BODY = '--headers Content-Type=application/json'

/**
 * Returns a script for a shell with the Azure CLI, signed in to the tenant. It registers the app,
 * creates the enterprise application, makes the user who runs it an administrator of the broker,
 * and creates a secret. It runs in a subshell, so that a failure does not close the shell it was
 * pasted into.
 */
export function azureCliScript(
  issuer: string,
  authority: string,
  { several = false }: { several?: boolean } = {},
): string {
  const graph = `${graphResource(authority)}/v1.0`
  const assigned = ROLES.filter(
    (role) => role.value === 'CaseManager.User' || role.value === 'Broker.Administrator',
  )
  return `(
set -eu
# What was just made is not known everywhere at once.
again() { for try in 1 2 3 4 5 6; do "$@" && return; sleep 5; done; return 1; }
cat > case-manager-app.json <<'JSON'
${JSON.stringify(appManifest(issuer, { several }), null, 2)}
JSON
APP_ID=$(az rest --method POST --url "${graph}/applications" ${JSON_BODY} \\
  --body @case-manager-app.json --query appId --output tsv)
# The enterprise application: only users who are assigned get in.
SP_ID=$(again az rest --method POST --url "${graph}/servicePrincipals" ${JSON_BODY} \\
  --body "{\\"appId\\":\\"$APP_ID\\",\\"appRoleAssignmentRequired\\":true}" --query id --output tsv)
# You become a user of Case Manager and an administrator of its broker.
ME=$(az ad signed-in-user show --query id --output tsv)
for ROLE in ${assigned.map((role) => role.id).join(' ')}; do
  again az rest --method POST --url "${graph}/users/$ME/appRoleAssignments" ${JSON_BODY} --output none \\
    --body "{\\"principalId\\":\\"$ME\\",\\"resourceId\\":\\"$SP_ID\\",\\"appRoleId\\":\\"$ROLE\\"}"
done
TENANT_ID=$(az account show --query tenantId --output tsv)
SECRET=$(again az ad app credential reset --id "$APP_ID" --append --display-name broker --years 1 --query password --output tsv)
echo "Directory (tenant) id:   $TENANT_ID"
echo "Application (client) id: $APP_ID"
echo "Client secret:           $SECRET"
)
`
}
