import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import {
  ConfidentialClientApplication,
  type Configuration,
  type ICachePlugin,
} from '@azure/msal-node'
import type { Config } from '../config/config.ts'
import type { Connection, Credential } from './connection.ts'
import type { Discovery } from './directory.ts'
import { MicrosoftRejection } from './interface.ts'
import type { Transport } from './transport.ts'

/**
 * One MSAL application for one request and one user. A shared one mixes users up and grows without
 * bound; this one is dropped with its cache, which the caller seals.
 */

type Presented = Pick<
  Configuration['auth'],
  'clientSecret' | 'clientCertificate' | 'clientAssertion'
>

/** The cache of one sign-in: read from `serialized`, and back in it after MSAL has changed it. */
export function sessionCache(
  serialized?: string,
): ICachePlugin & { serialized: string | undefined } {
  const cache = {
    serialized,
    beforeCacheAccess: async (context: Parameters<ICachePlugin['beforeCacheAccess']>[0]) => {
      if (cache.serialized !== undefined) context.tokenCache.deserialize(cache.serialized)
    },
    afterCacheAccess: async (context: Parameters<ICachePlugin['afterCacheAccess']>[0]) => {
      if (context.cacheHasChanged) cache.serialized = context.tokenCache.serialize()
    },
  }
  return cache
}

export async function openApplication(input: {
  config: Pick<Config, 'entra'>
  connection: Pick<Connection, 'clientId' | 'credential'>
  /** A tenant's GUID, or `organizations`. */
  tenant: string
  discovery: Discovery
  transport: Transport
  /** Not given: of the application alone, kept nowhere. */
  cache?: ICachePlugin
}): Promise<ConfidentialClientApplication> {
  const { authority } = input.config.entra
  const { clientId, credential } = input.connection
  if (clientId === undefined || credential === undefined)
    throw new MicrosoftRejection('credential', { effect: 'nothing' })
  const { host } = new URL(authority)
  return new ConfidentialClientApplication({
    auth: {
      clientId,
      ...(await present(credential)),
      // Never dialled: the endpoints come with the metadata. A simulator on plain http needs it so,
      // for MSAL refuses an http authority.
      authority: `https://${host}/${input.tenant}`,
      knownAuthorities: [host],
      authorityMetadata: input.discovery.text,
    },
    cache: { cachePlugin: input.cache ?? sessionCache() },
    system: {
      networkClient: input.transport,
      loggerOptions: { loggerCallback: () => {}, piiLoggingEnabled: false },
    },
  })
}

/**
 * Files are read at each use: renewing them needs no restart.
 * @throws MicrosoftRejection `credential`
 */
async function present(credential: Credential): Promise<Presented> {
  if (credential.kind === 'secret') return { clientSecret: credential.secret }
  try {
    if (credential.kind === 'pem') return { clientCertificate: certificate(credential.pem) }
    const content = await readFile(credential.file, 'utf8')
    return credential.kind === 'federated'
      ? { clientAssertion: async () => content.trim() }
      : { clientCertificate: certificate(content) }
  } catch (cause) {
    throw new MicrosoftRejection('credential', {
      effect: 'nothing',
      cause: new Error(
        credential.kind === 'pem'
          ? 'The certificate entered at /setup cannot be used.'
          : `The credential file ${credential.file} cannot be used.`,
        { cause },
      ),
    })
  }
}

const PRIVATE_KEY = /-----BEGIN (?:RSA )?PRIVATE KEY-----[^-]+-----END (?:RSA )?PRIVATE KEY-----/
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** A PEM file with the private key and the certificate, its chain after it. */
function certificate(pem: string): NonNullable<Presented['clientCertificate']> {
  const privateKey = PRIVATE_KEY.exec(pem)?.[0]
  const chain = pem.match(CERTIFICATE)
  if (privateKey === undefined || !chain?.[0])
    throw new Error('It needs an unencrypted RSA private key and its certificate, both in PEM.')
  const thumbprintSha256 = new X509Certificate(chain[0]).fingerprint256.replaceAll(':', '')
  return { privateKey, thumbprintSha256, x5c: chain.join('\n') }
}
