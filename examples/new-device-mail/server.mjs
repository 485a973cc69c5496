// Sends users a mail about a sign-in on a new device: verifies the broker's webhook and sends by
// SMTP.
import { createServer } from 'node:http'
import nodemailer from 'nodemailer'
import { Webhook, WebhookVerificationError } from 'standardwebhooks'

const { ACCOUNT_URL, MAIL_DOMAINS, MAIL_FROM, PORT, SMTP_URL, WEBHOOK_SECRET } = process.env
const webhook = new Webhook(WEBHOOK_SECRET)
const mail = nodemailer.createTransport(SMTP_URL, {
  from: MAIL_FROM,
  headers: { 'Auto-Submitted': 'auto-generated' },
})
const HEAD = 'You signed in to Case Manager on a device that you had not used before:'
const FOOT = `If it was you, there is nothing to do. If not, open ${ACCOUNT_URL},
choose "Lost, stolen or not me" at that device, and call your IT administrator.`

/**
 * Returns whether the text is one address in one of the MAIL_DOMAINS. Other text could name another
 * recipient.
 */
const isOurs = (email) =>
  MAIL_DOMAINS.split(',').includes(/^[\w.+'-]+@([\w.-]+)$/.exec(email)?.[1].toLowerCase())

async function receive(request) {
  let body = ''
  for await (const piece of request.setEncoding('utf8'))
    if ((body += piece).length > 65_536) return 413
  const { type, timestamp, data } = webhook.verify(body, request.headers)
  if (type !== 'session.new_device' || !isOurs(data.email)) return 204
  const text = [HEAD, data.device, new Date(timestamp).toUTCString(), FOOT].join('\n')
  // The Message-ID is the same for each attempt of the broker, so that a mail server can detect a
  // repeated mail.
  const messageId = `<${String(request.headers['webhook-id'])}@${MAIL_FROM.split('@')[1]}>`
  await mail.sendMail({ to: data.email, subject: 'New sign-in to Case Manager', text, messageId })
  return 204
}

const failure = (error) => {
  if (error instanceof WebhookVerificationError) return 401
  console.error('The mail was not sent:', error.code ?? error.name)
  return 503
}
const server = createServer((request, response) => {
  void receive(request)
    .catch(failure)
    .then((status) => response.writeHead(status).end())
})
server.listen(Number(PORT), '127.0.0.1')
