import { z } from 'zod'
import { type Image, imageOf, LARGEST_IMAGE } from '../config/image.ts'
import type { Deps } from './deps.ts'
import type { Client } from '../protocol/client-metadata.ts'
import { logoSetting } from '../protocol/names.ts'
import type { FetchedLogo } from './interface.ts'

/**
 * Logos of clients (`logo_uri`, RFC 7591 §2): fetched once, kept in the store, served by the
 * broker, so that no page makes a request to another origin. A page never waits for a client's
 * server, and is complete without the logo.
 */

type Need = Pick<Deps, 'store' | 'outbound' | 'clients' | 'log'>

/** The shortest interval between two fetches after a failure or an answer that is not an image. */
const TRY_NO_SOONER_SECONDS = 600
const TIMEOUT_MS = 3000

const keptSchema = z.object({ uri: z.string(), bytes: z.base64() })

/**
 * Returns the client's logo if the broker has it. Otherwise starts a fetch, so that a later page
 * can show it.
 */
export async function clientLogo(
  deps: Need,
  { clientId, metadata }: Client,
  now: number,
): Promise<Image | undefined> {
  const { logoUri: uri } = metadata
  if (uri === undefined) return undefined
  const { logos } = deps.clients.fetched
  const known = logos.get(clientId)
  if (
    known?.uri === uri &&
    (known.image !== undefined || now - known.triedAt < TRY_NO_SOONER_SECONDS)
  )
    return known.image
  const logo: FetchedLogo = { uri, triedAt: now }
  logos.set(clientId, logo)
  logo.image = await readKept(deps, clientId, uri)
  if (logo.image === undefined) void fetchLogo(deps, clientId, logo)
  return logo.image
}

/**
 * Reads the logo from the store, where another broker, or this one before its restart, may have
 * saved it.
 */
async function readKept(
  { store }: Need,
  clientId: string,
  uri: string,
): Promise<Image | undefined> {
  const text = await store.setting(logoSetting(clientId)).catch(() => undefined)
  const kept = text === undefined ? undefined : keptSchema.safeParse(JSON.parse(text)).data
  if (kept?.uri !== uri) return undefined
  const image = imageOf(Buffer.from(kept.bytes, 'base64'))
  return typeof image === 'string' ? undefined : image
}

async function fetchLogo(deps: Need, clientId: string, logo: FetchedLogo): Promise<void> {
  try {
    const answer = await deps.outbound.request(logo.uri, {
      method: 'GET',
      headers: { accept: 'image/png, image/webp' },
      timeoutMs: TIMEOUT_MS,
      maxBytes: LARGEST_IMAGE + 1,
      encoding: 'latin1',
    })
    if (answer.status !== 200) throw new Error(`logo_uri answered ${answer.status}`)
    const image = imageOf(Buffer.from(answer.body, 'latin1'))
    if (typeof image === 'string')
      throw new Error(
        `The image ${image}: a PNG or WebP of at most ${LARGEST_IMAGE / 1000} kB is needed`,
      )
    logo.image = image
    await deps.store.setSetting(
      logoSetting(clientId),
      JSON.stringify({ uri: logo.uri, bytes: image.bytes.toString('base64') }),
    )
  } catch (cause) {
    deps.log.warn('logo_uri_failed', {
      client_id: clientId,
      problem: cause instanceof Error ? cause.message : 'unknown',
    })
  }
}
