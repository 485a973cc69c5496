import { isIP } from 'node:net'
import nodemailer from 'nodemailer'
import MailComposer from 'nodemailer/lib/mail-composer'
import type { Answer } from './retry.ts'

/** Email by SMTP. TLS is required; only a mail server on this machine may do without, and only where loopback addresses are allowed. */

export interface Mailer {
  /** An RFC 5322 message. */
  compose(message: { from: string; to: string; subject: string; text: string; html: string; messageId: string; date: Date }): Promise<string>
  /** @returns the server's answer, as a status @throws with a code where there was none, never with an address */
  send(message: { from: string; to: string; raw: string }, signal: AbortSignal): Promise<Answer>
  close(): void
}

const CONNECT_MS = 3_000
const SILENT_MS = 4_000

const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))

/** @param url `smtp://` (STARTTLS) or `smtps://`, with user and password */
export function createMailer(url: string, { allowLoopback }: { allowLoopback: boolean }): Mailer {
  const { protocol, hostname, port, username, password } = new URL(url)
  const host = hostname.replace(/^\[|\]$/g, '')
  const secure = protocol === 'smtps:'
  const plain = allowLoopback && isLoopback(host)
  const noFiles = { disableFileAccess: true, disableUrlAccess: true }
  const transport = nodemailer.createTransport({
    ...{ host, secure, port: port === '' ? (secure ? 465 : 587) : Number(port) },
    ...(username === '' ? {} : { auth: { user: decodeURIComponent(username), pass: decodeURIComponent(password) } }),
    ...{ requireTLS: !plain, ignoreTLS: plain, tls: { minVersion: 'TLSv1.2' } },
    ...{ connectionTimeout: CONNECT_MS, greetingTimeout: CONNECT_MS, socketTimeout: SILENT_MS, ...noFiles },
  })
  return {
    compose: async (message) =>
      (await new MailComposer({ ...message, ...noFiles, headers: { 'Auto-Submitted': 'auto-generated' } }).compile().build()).toString('utf8'),
    async send({ from, to, raw }, signal) {
      try {
        await transport.sendMail({ envelope: { from, to }, raw, signal, ...noFiles })
        return { status: 250, headers: {}, body: '' }
      } catch (error) {
        return answerOf(error)
      }
    },
    close: () => transport.close(),
  }
}

/** What the server said of this message is an answer. Anything else (connection, TLS, sign-in) is a failure; its own text may name the recipient. */
function answerOf(error: unknown): Answer {
  const { code, responseCode } = error as { code?: string; responseCode?: number }
  if ((code === 'EENVELOPE' || code === 'EMESSAGE') && responseCode !== undefined) return { status: responseCode, headers: {}, body: '' }
  const status = responseCode === undefined ? '' : ` (${responseCode})`
  throw Object.assign(new Error(`The mail server did not take the message${status}`), { code: code ?? 'ESMTP' })
}
