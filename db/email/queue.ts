import { sql } from 'drizzle-orm'
import { sha256 } from '../../src/protocol/compare.ts'
import { addressIn } from '../../src/protocol/email-address.ts'
import type { Act, Ambient } from '../engine/act.ts'
import { command, insertInto } from '../engine/statement.ts'
import type { Takes } from '../engine/statement.ts'
import { moved } from '../outbox/counts.ts'
import type { Move } from '../outbox/counts.ts'
import { addMessage } from '../outbox/message.ts'
import { targets } from '../schema.ts'
import { consumeOnce } from '../token/one-time.ts'
import type { EmailContent, EmailPolicy } from '../types.ts'

/**
 * Writes email to the outbox, inside the transaction of the act that causes it. It refuses a second message of a kind to a user, or to an address,
 * within a time (`EVERY_SECONDS`).
 */

/** The mail server is one target. No client can have this id. */
export const EMAIL_TARGET = '@email'

/** One message of a kind for each user and each address in this time. */
const EVERY_SECONDS: Record<EmailContent['template'], number> = { new_device: 86_400, signed_out_everywhere: 3_600, locked: 3_600 }

const addTarget = command(
  (p: Takes<{ id: string }>) => sql`${insertInto(targets, { targetId: p.id, clientId: p.id, uri: sql`'mailto:'` })} ON CONFLICT DO NOTHING`,
)

/** Only domains that the operator has named: an address that a user could have chosen reaches no stranger. */
const isAllowed = (address: string, { domains }: EmailPolicy): boolean => addressIn(address, domains) !== undefined

interface Email {
  sub: string
  /** The addresses known before the event; on a change of the address, the new one too. */
  to: readonly (string | undefined)[]
  content: EmailContent
}

/** @param moves takes the changes of states; not given: they are counted here */
export function* queueEmail(ambient: Ambient, { sub, to, content }: Email, policy: EmailPolicy, moves?: Move[]): Act<void> {
  const addresses = [...new Set(to.flatMap((one) => (one !== undefined && isAllowed(one, policy) ? one : [])))]
  const expiresAt = Math.floor(ambient.nowMs() / 1000) + EVERY_SECONDS[content.template]
  const first = (whom: string): Act<boolean> => consumeOnce({ purpose: `email/${content.template}`, idHash: sha256(whom), expiresAt })
  if (addresses.length === 0 || !(yield* first(sub))) return
  const written: Move[] = moves ?? []
  yield* addTarget.run({ id: EMAIL_TARGET })
  for (const address of addresses) {
    if (!(yield* first(address.toLowerCase()))) continue
    const payload = JSON.stringify({ to: address, ...content })
    yield* addMessage(ambient, { kind: 'email', targetId: EMAIL_TARGET, sub, payload, atMs: ambient.nowMs() }, written)
  }
  if (moves === undefined) yield* moved(written)
}
