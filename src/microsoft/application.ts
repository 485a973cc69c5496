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
 * Opens an MSAL application for one request of one user. A shared one would mix users up and grow
 * without bound. This one is dropped with its cache, which the caller seals.
 */

type Presented = Pick<
  Configuration['auth'],
  'clientSecret' | 'clientCertificate' | 'clientAssertion'
>

/** A cache plugin for one sign-in: MSAL reads `serialized` and writes its changes back to it. */
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
  /** The tenant's GUID, or `organizations`. */
  tenant: string
  discovery: Discovery
  transport: Transport
  /** Default: an empty cache that is not kept, for tokens of the application itself. */
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
      // MSAL does not request this address, because the endpoints are in the metadata. It is always
      // https because MSAL rejects an http authority, which a simulator may have.
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
 * Returns the credential in MSAL's form. Files are read at each use, so that renewing them needs no
 * restart.
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

/** Reads a PEM file: the private key, the certificate, then its chain. */
function certificate(pem: string): NonNullable<Presented['clientCertificate']> {
  const privateKey = PRIVATE_KEY.exec(pem)?.[0]
  const chain = pem.match(CERTIFICATE)
  if (privateKey === undefined || !chain?.[0])
    throw new Error('It needs an unencrypted RSA private key and its certificate, both in PEM.')
  const thumbprintSha256 = new X509Certificate(chain[0]).fingerprint256.replaceAll(':', '')
  return { privateKey, thumbprintSha256, x5c: chain.join('\n') }
}
