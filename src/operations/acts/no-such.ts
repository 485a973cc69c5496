import { Problem } from '../../audit/problem.ts'

/** The command that lists each kind of thing. */
const LISTED_BY = {
  client: 'cmb clients list',
  delivery: 'cmb deliveries list',
  key: 'cmb keys list',
  lock: 'cmb locks list --all',
  report: 'cmb reports list',
  revocation: 'cmb revocations list',
  session: 'cmb sessions list',
  'session with that client': 'cmb sessions list',
  stream: 'cmb streams list',
  tenant: 'cmb tenants',
  user: 'cmb sessions list --user',
  webhook: 'cmb webhooks list',
} as const

export const noSuch = (what: keyof typeof LISTED_BY): Problem =>
  new Problem(404, `No such ${what}`, `There is no such ${what}. ${LISTED_BY[what]} lists them.`)

/** Returns what was found. @throws Problem 404 */
export function existing<T>(what: keyof typeof LISTED_BY, found: T | undefined): T {
  if (found === undefined) throw noSuch(what)
  return found
}
