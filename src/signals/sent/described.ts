import { z } from 'zod'
import { type Answer, type Description, json, limited, rejected, text } from '../../protocol/described.ts'
import { polled, polling } from './poll.ts'
import { creating, replacing, shown, updating } from './stream.ts'
import { storedText } from '../../protocol/stored-text.ts'

/** The Shared Signals API as /openapi.json describes it. */

const read = { tag: 'ssf', security: [{ ssf: ['ssf.read'] }] } as const
const manage = { tag: 'ssf', security: [{ ssf: ['ssf.manage'] }] } as const
const rejections = { 401: rejected('The access token is missing or not valid.'), 403: rejected('The access token lacks the scope.') } as const
const body400 = { 400: rejected('The body is not valid.'), 413: rejected('The body is too large.'), 415: rejected('The body is not JSON.') } as const
const unknown404 = { 404: rejected('The client has no stream of this id.') } as const
const one: Answer = ['The stream.', json(shown)]
const query = z.object({ stream_id: text })

export const statusSchema = z.object({ stream_id: text, status: z.enum(['enabled', 'paused', 'disabled']), reason: storedText().max(500).optional() })
export const verificationSchema = z.object({ stream_id: text, state: storedText().max(1000).optional() })
export const subjectSchema = z.object({
  stream_id: text,
  subject: z.looseObject({ format: storedText().max(100).optional() }).meta({ description: 'RFC 9493' }),
  verified: z.boolean().optional(),
})

export const CREATE: Description = {
  ...{ id: 'createOwnStream', summary: 'Creates the stream of the client', ...manage, body: json(creating) },
  answers: { 201: one, ...body400, ...rejections, 409: rejected('The client already has a stream.'), ...limited },
}
export const READ: Description = {
  ...{ id: 'readOwnStream', summary: 'Reads the stream of the client; without stream_id, a list of it', ...read, query: query.partial() },
  answers: { 200: ['The stream, or the list.', json(z.union([shown, z.array(shown)]))], ...rejections, ...unknown404 },
}
export const UPDATE: Description = {
  ...{ id: 'updateOwnStream', summary: 'Changes the members that are sent, and keeps the others', ...manage, body: json(updating) },
  answers: { 200: one, ...body400, ...rejections, ...unknown404, ...limited },
}
export const REPLACE: Description = {
  ...{ id: 'replaceOwnStream', summary: 'Replaces all members that the receiver supplies', ...manage, body: json(replacing) },
  answers: { 200: one, ...body400, ...rejections, ...unknown404, ...limited },
}
export const DELETE: Description = {
  ...{ id: 'deleteOwnStream', summary: 'Deletes the stream and the events that it keeps', ...manage, query },
  answers: { 204: ['Deleted.'], 400: rejected('stream_id is missing.'), ...rejections, ...unknown404, ...limited },
}
const status: Answer = ['The status.', json(statusSchema)]
export const READ_STATUS: Description = {
  ...{ id: 'readOwnStreamStatus', summary: 'Reads whether events are sent', ...read, query },
  answers: { 200: status, 400: rejected('stream_id is missing.'), ...rejections, ...unknown404 },
}
export const UPDATE_STATUS: Description = {
  ...{ id: 'updateOwnStreamStatus', summary: 'Enables, pauses or disables the stream', ...manage, body: json(statusSchema) },
  answers: { 200: status, ...body400, ...rejections, ...unknown404, ...limited },
}
export const VERIFY: Description = {
  ...{ id: 'verifyOwnStream', summary: 'Asks for a verification event', ...manage, body: json(verificationSchema) },
  answers: {
    204: ['The broker sends it.'],
    ...body400,
    ...rejections,
    ...unknown404,
    429: rejected('Too soon. Retry-After says when to ask again.'),
  },
}
const subjects = (id: string, summary: string, done: 200 | 204): Description => ({
  ...{ id, summary, ...manage, body: json(subjectSchema) },
  answers: { [done]: ['The same answer for every subject.'], ...body400, ...rejections, ...unknown404 },
})
export const ADD_SUBJECT = subjects('addSubject', 'Accepts a subject, and changes nothing: the stream has all subjects of the client', 200)
export const REMOVE_SUBJECT = subjects('removeSubject', 'Accepts a subject, and changes nothing: the stream keeps all subjects of the client', 204)
export const POLL: Description = {
  ...{
    id: 'pollOwnStream',
    summary: 'Polls for security event tokens, and acknowledges them (RFC 8936)',
    ...read,
    body: json(polling),
    params: z.object({ id: text }),
  },
  answers: { 200: ['The events that are not acknowledged.', json(polled)], ...body400, ...rejections, ...unknown404 },
}
