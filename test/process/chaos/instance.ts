import { createHash } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { randomOf } from '../../../bench/machine/random.ts'

/**
 * An instance's logout address in its own process. Tokens are on disk before it answers, as in a
 * real session store. Sometimes it is faulty, or takes the token and loses the answer. Arguments:
 * port, file, seed, name of its stream.
 */
const [port = '0', file = '', seed = '0', stream = ''] = process.argv.slice(2)
const random = randomOf(Number(seed), stream)

/**
 * The percentage of sessions at a broken replica: each of these gets 500 every time, while the
 * others succeed.
 */
let sickPercent = 0
process.on('message', (message: { sickPercent: number }) => {
  sickPercent = message.sickPercent
  process.send?.(message)
})
const isSick = (id: string): boolean =>
  (createHash('sha256').update(id).digest()[0] ?? 0) % 100 < sickPercent

const server = createServer((request, response) => {
  let body = ''
  request.on('data', (chunk: Buffer) => (body += chunk.toString()))
  request.on('end', () => {
    const mood = random.next()
    if (mood < 0.05) return void response.writeHead(503).end('busy')
    if (mood < 0.08) return void response.writeHead(400).end('<html>what?</html>')
    const token = new URLSearchParams(body).get('logout_token') ?? ''
    const { sid, sub, rev } = JSON.parse(
      Buffer.from(token.split('.')[1] ?? '', 'base64url').toString(),
    ) as Record<string, unknown>
    if (isSick(String(sid ?? sub))) return void response.writeHead(500).end('broken replica')
    appendFileSync(file, `${JSON.stringify({ sid, sub, rev })}\n`)
    if (mood < 0.12) return void request.socket.destroy()
    response.writeHead(mood < 0.5 ? 200 : 204).end()
  })
})
server.listen(Number(port), '127.0.0.1', () => process.send?.('listening'))
process.on('disconnect', () => process.exit())
