// https on loopback in front of plain http: node tls-proxy.mjs TLS_DIR 8443=8080 9443=7400 …
// (listen=upstream; TLS_DIR holds key.pem and cert.pem) Env: ONE_AT_A_TIME (a part of paths: such
// requests wait for each other; a module of the suite keeps the request in one variable).
import http from 'node:http'
import https from 'node:https'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
const [dir, ...ports] = process.argv.slice(2),
  agent = new http.Agent({ keepAlive: true })
const keys = {
  key: fs.readFileSync(path.join(dir, 'key.pem')),
  cert: fs.readFileSync(path.join(dir, 'cert.pem')),
  // FAPI 2.0 Security Profile §5.2.2 allows only the ciphers of BCP 195 with TLS 1.2.
  ciphers: [
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_256_GCM_SHA384',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES256-GCM-SHA384',
  ].join(':'),
}
const { ONE_AT_A_TIME } = process.env
let last = Promise.resolve()
/**
 * A poll waits until no other request has come for so long. The suite holds a poll for 10 s, after
 * which the broker no longer waits for an answer to another request behind it.
 */
const QUIET_MS = 2000
let otherAtMs = 0
/**
 * Waits for the requests before.
 * @returns a function that ends its own turn: with the answer, not when the client disconnects
 * earlier
 */
async function turn(q) {
  if (ONE_AT_A_TIME === undefined || !q.url.includes(ONE_AT_A_TIME)) return () => undefined
  const isPoll = q.url.includes('/events')
  if (isPoll) while (Date.now() < otherAtMs + QUIET_MS) await sleep(100)
  const before = last
  const own = Promise.withResolvers()
  last = own.promise
  await before
  return () => {
    if (!isPoll) otherAtMs = Date.now()
    own.resolve()
  }
}
for (const spec of ports) {
  const [listen, upstream] = spec.split('=')
  https
    .createServer(keys, async (q, a) => {
      const cipher = q.socket.getCipher()
      const protocol = q.socket.getProtocol()
      const done = await turn(q)
      if (a.destroyed) return done()
      const forwarded = {
        'x-forwarded-proto': 'https',
        'x-forwarded-host': q.headers.host,
        'x-forwarded-for': '127.0.0.1',
        'x-forwarded-port': listen,
        'x-forwarded-uri': q.url,
        forwarded: `by=127.0.0.1;for=127.0.0.1;host=${q.headers.host};proto=https`,
        'x-ssl-cipher': cipher.standardName,
        'x-ssl-protocol': protocol,
      }
      const up = http.request(
        {
          host: '127.0.0.1',
          port: upstream,
          path: q.url,
          method: q.method,
          agent,
          headers: { ...q.headers, ...forwarded },
        },
        (r) => {
          a.once('close', () => r.resume())
          if (a.destroyed) return r.resume()
          a.writeHead(r.statusCode, r.headers)
          r.pipe(a)
        },
      )
      up.once('close', done)
      up.on('error', () => {
        if (!a.headersSent) a.writeHead(502)
        a.end()
      })
      q.pipe(up)
    })
    .listen(+listen, '127.0.0.1')
}
console.log('listening')
