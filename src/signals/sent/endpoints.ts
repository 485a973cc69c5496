import { type Context, Hono } from 'hono'
import type { Deps } from '../deps.ts'
import { type Description, described } from '../../protocol/described.ts'
import { askVerification, createStream, deleteStream, ownStream, replaceStream, setStatus, updateStream } from './acts.ts'
import { bodyOf } from './body.ts'
import { transmitterConfiguration } from './configuration.ts'
import * as about from './described.ts'
import { polling, Polls } from './poll.ts'
import { receiverOf } from './receiver.ts'
import { creating, replacing, shownStatus, shownStream, updating } from './stream.ts'

/** The broker as a transmitter of Shared Signals: its configuration, and the management of streams by their receivers. A client reaches only its own stream. */

type Endpoint = (c: Context) => Response | Promise<Response>

const READ = ['ssf.read', 'ssf.manage'] as const
const MANAGE = ['ssf.manage'] as const
const CONFIGURATION_SECONDS = 3600

export function ssfEndpoints(deps: Deps): Hono {
  const endpoints = new Hono()
  const on: On = (method, path, description, endpoint) => {
    endpoints.on(
      method,
      path,
      described(description, (c: Context) => {
        c.header('Cache-Control', 'no-store')
        return endpoint(c)
      }),
    )
  }
  endpoints.get('/.well-known/ssf-configuration', (c) => {
    c.header('Cache-Control', `public, max-age=${CONFIGURATION_SECONDS}`)
    c.header('Access-Control-Allow-Origin', '*')
    return c.json(transmitterConfiguration(deps.config.issuer))
  })
  configuration(deps, on)
  control(deps, on)
  return endpoints
}

type On = (method: string, path: string, description: Description, endpoint: Endpoint) => void

/** SSF 1.0 §8.1.1 */
function configuration(deps: Deps, on: On): void {
  const path = '/ssf/streams'
  on('POST', path, about.CREATE, async (c) => {
    const client = await receiverOf(deps, c, MANAGE)
    return c.json(shownStream(deps, await createStream(deps, client, await bodyOf(c, creating))), 201)
  })
  on('GET', path, about.READ, async (c) => {
    const client = await receiverOf(deps, c, READ)
    const id = c.req.query('stream_id')
    if (id !== undefined) return c.json(shownStream(deps, await ownStream(deps, client, id)))
    const stream = await deps.store.streamOfClient(client.clientId)
    return c.json(stream === undefined ? [] : [shownStream(deps, stream)])
  })
  on('PATCH', path, about.UPDATE, async (c) => {
    const client = await receiverOf(deps, c, MANAGE)
    return c.json(shownStream(deps, await updateStream(deps, client, await bodyOf(c, updating))))
  })
  on('PUT', path, about.REPLACE, async (c) => {
    const client = await receiverOf(deps, c, MANAGE)
    return c.json(shownStream(deps, await replaceStream(deps, client, await bodyOf(c, replacing))))
  })
  on('DELETE', path, about.DELETE, async (c) => {
    const client = await receiverOf(deps, c, MANAGE)
    await deleteStream(deps, client, await ownStream(deps, client, c.req.query('stream_id')))
    return c.body(null, 204)
  })
}

/** SSF 1.0 §8.1.2 to §8.1.4, RFC 8936 */
function control(deps: Deps, on: On): void {
  on('GET', '/ssf/status', about.READ_STATUS, async (c) => {
    const client = await receiverOf(deps, c, READ)
    return c.json(shownStatus(await ownStream(deps, client, c.req.query('stream_id'))))
  })
  on('POST', '/ssf/status', about.UPDATE_STATUS, async (c) => {
    const client = await receiverOf(deps, c, MANAGE)
    const wanted = await bodyOf(c, about.statusSchema)
    return c.json(shownStatus(await setStatus(deps, client, await ownStream(deps, client, wanted.stream_id), wanted)))
  })
  on('POST', '/ssf/verification', about.VERIFY, async (c) => {
    const client = await receiverOf(deps, c, MANAGE)
    const { stream_id: id, state } = await bodyOf(c, about.verificationSchema)
    await askVerification(deps, await ownStream(deps, client, id), state)
    return c.body(null, 204)
  })
  // The subject is neither looked up nor stored: the answer does not tell whether a user exists, and a removal hides no ended session.
  for (const [path, description, status] of [
    ['/ssf/subjects/add', about.ADD_SUBJECT, 200],
    ['/ssf/subjects/remove', about.REMOVE_SUBJECT, 204],
  ] as const)
    on('POST', path, description, async (c) => {
      const client = await receiverOf(deps, c, MANAGE)
      await ownStream(deps, client, (await bodyOf(c, about.subjectSchema)).stream_id)
      return c.body(null, status)
    })
  const polls = new Polls(deps)
  on('POST', '/ssf/poll/:id', about.POLL, async (c) => {
    const client = await receiverOf(deps, c, READ)
    const stream = await ownStream(deps, client, c.req.param('id'))
    return c.json(await polls.poll(stream, await bodyOf(c, polling), c.req.raw.signal))
  })
}
