import type { Child } from 'hono/jsx'
import type { Config } from '../../../config/config.ts'

/** The words of the audit log. */

export const UNFINISHED = 'not finished'

export const revocation = (seq: number): string => `revocation ${seq}`

/** The outcomes of an act, with the class of their tag. */
export const OUTCOME = {
  done: { words: 'done', tag: 'tag' },
  rejected: { words: 'rejected', tag: 'tag wait' },
  failed: { words: 'failed', tag: 'tag bad' },
} as const

export const EVIDENCE = (
  <>
    Signed evidence of a period: <code>cmb evidence export --audit &gt; audit.jsonl</code>, with{' '}
    <code>--from</code> and <code>--to</code> as you need them.
  </>
)

/** Says how an auditor verifies a file of evidence without the broker. */
export const howToVerify = ({ issuer }: Config, file: string): Child => (
  <span class="soft small">
    To verify it without the broker: <code>cmb evidence verify {file} --keys keys.json</code>, with
    the broker’s public keys from{' '}
    <a href={`${issuer}/.well-known/signing-keys-archive`} download="keys.json">
      its archive of keys
    </a>
    .
  </span>
)
