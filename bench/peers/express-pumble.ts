/**
 * Peer (e): the predecessors' stack. In: a delivery. Out: 200 `ok` once an event handler has been called. Refuses a wrong
 * signature with 403.
 *
 * The vendor's SDK (`pumble-sdk`, used over Express) is not on the npm registry, so it cannot be installed here. This is
 * written anew after its published source (github.com/CAKE-com/pumble-node-sdk, core/adapters/http) and does the same work
 * in the same order on Express 5: chunks added to a string, JSON parsed before anything is proved, an HMAC keyed with the
 * secret's text, compared with `!==`, the event inside parsed, handlers called through an emitter, `ok` sent. Like the
 * original it looks at no time window, knows no duplicates and stores nothing.
 */
import { createHmac } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createRequire } from 'node:module'
import { secretGiven, serve } from './serve.ts'

interface Asked extends IncomingMessage {
  rawBody: string
  body: { messageType?: string; body: string }
}

interface Answer {
  status(code: number): Answer
  send(body: string): Answer
}

type Handler = (request: Asked, response: Answer, next: () => void) => void

/** As much of Express as is used here; the package brings no types. */
interface App extends RequestListener {
  post(path: string, ...handlers: Handler[]): void
}

const express = createRequire(import.meta.url)('express') as () => App
const secret = secretGiven()
const handlers = new EventEmitter()
let seen = 0
handlers.on('event', () => seen++)

const app = express()
app.post('/in/:channel', readText, proveSignature, (request, response) => {
  const event: unknown = JSON.parse(request.body.body)
  handlers.emit('event', { ...request.body, body: event })
  response.send('ok')
})
serve(createServer(app))

function readText(request: Asked, _response: Answer, next: () => void): void {
  request.rawBody = ''
  request.on('data', (chunk: Buffer) => {
    request.rawBody += chunk.toString()
  })
  request.on('end', () => {
    request.body = JSON.parse(request.rawBody) as Asked['body']
    next()
  })
}

function proveSignature(request: Asked, response: Answer, next: () => void): void {
  const time = request.headers['x-pumble-request-timestamp']
  const claimed = request.headers['x-pumble-request-signature']
  if (time === undefined || claimed === undefined) return void response.status(403).send('not signed')
  const made = createHmac('sha256', secret)
    .update(`${String(time)}:${request.rawBody}`)
    .digest('hex')
  if (made !== claimed) return void response.status(403).send('wrong signature')
  next()
}
