/**
 * Peer (a): what node:http costs by itself. In: any request. Out: 200 once its body has been read. Refuses nothing: it
 * proves nothing, parses nothing and stores nothing.
 */
import { createServer } from 'node:http'
import { serve } from './serve.ts'

const OK = ['content-type', 'text/plain', 'content-length', '2']

serve(
  createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(200, OK).end('ok'))
  }),
)
