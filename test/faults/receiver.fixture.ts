/**
 * An app that may die at any moment, in a process of its own. In: a port and a file. Out: 204 to each push, after its id is
 * in the file: one line an answer, so that repeats show. Refuses nothing. Given `hang`, it takes pushes and never answers.
 */
import { openSync, writeSync } from 'node:fs'
import { createServer } from 'node:http'

const [port = '0', file = '', mood = ''] = process.argv.slice(2)
const log = openSync(file, 'a')

const server = createServer((request, response) => {
  request.resume()
  request.on('end', () => {
    // Written before the answer: what the operating system has taken outlives this process.
    writeSync(log, `${String(request.headers['webhook-id'])}\n`)
    if (mood !== 'hang') response.writeHead(204).end()
  })
})
server.listen(Number(port), '127.0.0.1', () => process.stdout.write('ready\n'))
