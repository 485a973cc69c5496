import { auditRoutes } from './audit.ts'
import { clientRoutes } from './clients.ts'
import { deliveryRoutes } from './deliveries.ts'
import { keyRoutes } from './keys.ts'
import { lockRoutes } from './locks.ts'
import { overviewRoutes } from './overview.ts'
import { reportRoutes } from './reports.ts'
import { revocationRoutes } from './revocations.ts'
import { localRoutes } from './local.ts'
import { searchRoutes } from './search.ts'
import { sessionRoutes } from './sessions.ts'
import { signInRoutes } from './sign-ins.ts'
import { streamRoutes } from './streams.ts'
import { tenantRoutes } from './tenants.ts'
import { userRoutes } from './users.ts'
import { webhookRoutes } from './webhooks.ts'

/**
 * Everything that an operator can do, each described once: who may, what it takes and what it
 * answers. The admin API and its document are made from it, and the types of `cmb`.
 */
export const ACTS = [
  ...clientRoutes,
  ...sessionRoutes,
  ...signInRoutes,
  ...reportRoutes,
  ...searchRoutes,
  ...revocationRoutes,
  ...lockRoutes,
  ...deliveryRoutes,
  ...streamRoutes,
  ...keyRoutes,
  ...tenantRoutes,
  ...auditRoutes,
  ...userRoutes,
  ...localRoutes,
  ...overviewRoutes,
  ...webhookRoutes,
]

/** The type of an act's address, the members of its request and its answer. */
export type Acts = NonNullable<(typeof ACTS)[number]['act']>
