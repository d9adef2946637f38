/**
 * The bare verbs: run a gate, claim it, ask who one is, see it work. In: addresses and a claim code. Out: a running
 * gate, a stored token, a table. Refuses a claim code that the gate refuses.
 */
import type { Command } from '../command.ts'
import { adminUrlOf, online, speaking } from '../connect.ts'
import { demo } from '../demo.ts'
import { answer } from '../io.ts'
import { printRecord } from '../print.ts'
import { storeToken } from '../stored-token.ts'
import { EXIT } from '../trouble.ts'
import { up } from '../up.ts'
import { versionOf } from '../version.ts'

export const gateCommands: readonly Command[] = [
  {
    name: 'up',
    summary: 'Run a gate here until it is stopped',
    options: {
      data: { value: 'folder', help: 'where it keeps everything; ./.gatehouse when left out' },
      'public-listen': { value: 'host:port', help: 'for webhooks; port 0 takes a free one' },
      'admin-listen': { value: 'host:port', help: 'for the admin API; port 0 takes a free one' },
      config: { value: 'file', help: 'YAML file with settings' },
    },
    example: 'gatehouse up --data ./data --public-listen 127.0.0.1:8080',
    run: up,
  },
  {
    name: 'claim',
    summary: 'Become the first administrator of a new gate',
    takes: [{ name: 'code', help: 'printed at its first start; works once' }],
    options: { name: { value: 'name', help: 'what to call the token made' } },
    online: true,
    example: 'gatehouse claim <code> --url http://127.0.0.1:8081',
    run: (input, io) =>
      speaking(async () => {
        const url = adminUrlOf(input, io)
        const { Client } = await import('@gatehouse/contract/client.ts')
        const name = input.text('name')
        const claimed = await new Client({ url }).claim({
          code: input.needAt(0),
          ...(name !== undefined && { name }),
        })
        const kept = await storeToken(io.env, url, claimed.token)
        printRecord(io, input, { administrator: claimed.id, gate: url, scopes: claimed.scopes, keptIn: kept })
        return EXIT.done
      }),
  },
  {
    name: 'whoami',
    summary: 'Show whose token is used and what it may do',
    online: true,
    example: 'gatehouse whoami',
    run: online(async (api, input, io) => {
      printRecord(io, input, await api.whoAmI())
      return EXIT.done
    }),
  },
  {
    name: 'demo',
    summary: 'See genuine, forged, stale and replayed deliveries meet a gate',
    example: 'gatehouse demo',
    run: demo,
  },
  {
    name: 'version',
    summary: 'Show what this program and its runtime are',
    example: 'gatehouse version --json',
    async run(input, io) {
      const version = await versionOf()
      const node = process.versions.node
      answer(
        io,
        input.flag('json') ? JSON.stringify({ version, node }) : `gatehouse ${version}, node ${node}`,
      )
      return EXIT.done
    },
  },
]
