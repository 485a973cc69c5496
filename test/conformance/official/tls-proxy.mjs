// https on loopback in front of plain http: node tls-proxy.mjs TLS_DIR 8443=8080 9443=7400 …   (listen=upstream; TLS_DIR holds key.pem and cert.pem)
import http from 'node:http'
import https from 'node:https'
import fs from 'node:fs'
import path from 'node:path'
const [dir, ...ports] = process.argv.slice(2),
  agent = new http.Agent({ keepAlive: true })
const keys = { key: fs.readFileSync(path.join(dir, 'key.pem')), cert: fs.readFileSync(path.join(dir, 'cert.pem')) }
for (const spec of ports) {
  const [listen, upstream] = spec.split('=')
  https
    .createServer(keys, (q, a) => {
      const forwarded = {
        'x-forwarded-proto': 'https',
        'x-forwarded-host': q.headers.host,
        'x-forwarded-for': '127.0.0.1',
        'x-forwarded-port': listen,
        'x-forwarded-uri': q.url,
        forwarded: `by=127.0.0.1;for=127.0.0.1;host=${q.headers.host};proto=https`,
        'x-ssl-cipher': q.socket.getCipher().standardName,
        'x-ssl-protocol': q.socket.getProtocol(),
      }
      const up = http.request(
        { host: '127.0.0.1', port: upstream, path: q.url, method: q.method, agent, headers: { ...q.headers, ...forwarded } },
        (r) => {
          a.writeHead(r.statusCode, r.headers)
          r.pipe(a)
        },
      )
      up.on('error', () => {
        if (!a.headersSent) a.writeHead(502)
        a.end()
      })
      q.pipe(up)
    })
    .listen(+listen, '127.0.0.1')
}
console.log('listening')
