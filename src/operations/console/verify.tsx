import type { ConsoleRequest } from './request.ts'

/** Says how an auditor verifies a file of evidence without the broker. */
export const HowToVerify = ({ deps, file }: Pick<ConsoleRequest, 'deps'> & { file: string }) => (
  <span class="soft small">
    To verify it without the broker: <code>cmb evidence verify {file} --keys keys.json</code>, with
    the broker’s public keys from{' '}
    <a href={`${deps.config.issuer}/.well-known/signing-keys-archive`} download="keys.json">
      its archive of keys
    </a>
    .
  </span>
)
