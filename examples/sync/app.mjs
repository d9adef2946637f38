// An app that answers a slash command itself: what it says to the push goes back to the platform, within its few seconds.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'

const key = Buffer.from(process.env.SECRET.replace('whsec_', ''), 'base64')

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
  const { kind, event, text, actor } = JSON.parse(body)
  if (kind !== 'command') return response.writeHead(204).end()
  const said = { response_type: 'ephemeral', text: `${event}: ${text ?? ''} for ${actor?.name}` }
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(said))
})
server.listen(process.env.PORT ?? 3000, '127.0.0.1', () => console.log('listening', server.address().port))
