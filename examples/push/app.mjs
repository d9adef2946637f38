// An app that the gate pushes to. SECRET is the whsec_… that `gatehouse subscription create --push` printed once.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'

const key = Buffer.from(process.env.SECRET.replace('whsec_', ''), 'base64')
const done = new Set() // yours is a table: what was done once must not be done again

function isGenuine({ headers }, body) {
  const { 'webhook-id': id, 'webhook-timestamp': time, 'webhook-signature': signatures = '' } = headers
  const mac = createHmac('sha256', key).update(`${id}.${time}.`).update(body).digest()
  const given = signatures.split(' ').map((one) => Buffer.from(one.replace('v1,', ''), 'base64'))
  const isFresh = Math.abs(Date.now() / 1000 - time) < 300
  return isFresh && given.some((one) => one.length === mac.length && timingSafeEqual(one, mac))
}

const server = createServer(async (request, response) => {
  if (!(request.headers['content-length'] < 4e6)) return response.writeHead(413).end()
  const body = Buffer.concat(await request.toArray())
  if (!isGenuine(request, body)) return response.writeHead(401).end()
  const { id, kind, text } = JSON.parse(body)
  if (!done.has(id)) console.log(id, kind, text)
  done.add(id)
  response.writeHead(204).end()
})
server.listen(process.env.PORT ?? 3000, '127.0.0.1', () => console.log('listening', server.address().port))
