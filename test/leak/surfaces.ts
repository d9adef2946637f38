/**
 * Everything a gate leaves behind or shows. In: a house. Out: haystacks: its files, every row of its database, every answer
 * of every GET row of its API, its logs. Refuses to leave a GET route out unseen: the list comes from its own OpenAPI.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import type { Engine } from '../support/engines.ts'
import type { Gate } from '../support/gate.ts'
import type { House } from '../support/ingress.ts'
import type { Haystack } from './canaries.ts'

/** Answers that are there to show what was delivered, to those who may see it. */
const SHOWS_BODIES = new Set([
  '/v1/tenants/{tenant}/deliveries/{delivery}/body',
  '/v1/tenants/{tenant}/deliveries/{delivery}/attachments/{attachment}',
  '/v1/pull/stream',
])
/** What a drive through every path has made some of. */
const MADE = ['channel', 'subscription', 'delivery']

export async function everywhere(house: House, engine: Engine): Promise<Haystack[]> {
  return [
    ...house.gates.map((gate, i) => ({ place: `log of gate ${i + 1}`, bytes: Buffer.from(gate.log()) })),
    ...filesIn(house.data),
    ...(await rows(house, engine)),
    ...(await answers(house)),
    ...commandLines(house.gates),
  ]
}

export function filesIn(folder: string): Haystack[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => ({ place: `file ${name}`, bytes: readFileSync(join(parentPath, name)) }))
}

/** Each row as text and as bytes: a value that a page boundary cuts in the file is whole here. */
async function rows({ data }: House, engine: Engine): Promise<Haystack[]> {
  const tables =
    engine.engine === 'sqlite' ? sqliteRows(join(data, 'gatehouse.db')) : await postgresRows(engine.url)
  assert.ok((tables.get('inbox')?.length ?? 0) > 0, 'the dump has deliveries')
  return [...tables].map(([table, list]) => ({
    place: `table ${table}`,
    bytes: Buffer.concat(list.flatMap(bytesOf)),
  }))
}

type Row = Readonly<Record<string, unknown>>

function sqliteRows(file: string): ReadonlyMap<string, Row[]> {
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all()
    return new Map(
      tables.map(({ name }) => [String(name), database.prepare(`SELECT * FROM "${String(name)}"`).all()]),
    )
  } finally {
    database.close()
  }
}

async function postgresRows(url: string): Promise<ReadonlyMap<string, Row[]>> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const tables = await client.query<{ name: string }>(
      "SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) AS name FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema')",
    )
    const found = new Map<string, Row[]>()
    for (const { name } of tables.rows) {
      const { rows: list } = await client.query<Row>(`SELECT * FROM ${name}`)
      found.set(name.replace(/^public\./, ''), list)
    }
    return found
  } finally {
    await client.end()
  }
}

const BREAK = Buffer.from('\n')

function bytesOf(row: Row): Buffer[] {
  return Object.values(row).flatMap((value) => {
    const bytes = value instanceof Uint8Array ? Buffer.from(value) : Buffer.from(String(value))
    return [bytes, BREAK]
  })
}

/** Every GET operation of the API, for each id that its own lists tell. */
async function answers(house: House): Promise<Haystack[]> {
  const { paths } = (await house.admin.readOpenApi()) as { paths?: Record<string, Record<string, unknown>> }
  const templates = Object.entries(paths ?? {})
    .filter(([path, operations]) => 'get' in operations && !SHOWS_BODIES.has(path))
    .map(([path]) => path)
  assert.ok(templates.length > 15, `only ${templates.length} GET routes`)
  const found: Haystack[] = []
  for (const template of templates) {
    const targets = await filled(house, template)
    const made = MADE.some((name) => template.includes(`{${name}}`))
    assert.ok(targets.length > 0 || !made, `nothing to fill ${template} with`)
    for (const target of targets) found.push(await answerAt(house, target))
  }
  return found
}

async function answerAt(house: House, target: string): Promise<Haystack> {
  const answer = await read(house, isList(target) ? `${target}?limit=100` : target)
  const text = await answer.text()
  // Some want a query of their own; how they say so is looked at as well.
  assert.ok(answer.ok || answer.status === 400, `GET ${target}: ${answer.status} ${text}`)
  const headers = [...answer.headers].map(([name, value]) => `${name}: ${value}`)
  return { place: `GET ${target}`, bytes: Buffer.from([...headers, text].join('\n')) }
}

async function read(house: House, path: string): Promise<Response> {
  for (;;) {
    const headers = { authorization: `Bearer ${house.token}` }
    const answer = await fetch(house.gate.adminUrl + path, { headers })
    if (answer.status !== 429) return answer
    await pause(1_000)
  }
}

/** The paths of a template: `/v1/things/{thing}` is filled with the ids that `/v1/things` lists. */
async function filled(house: House, template: string): Promise<string[]> {
  const at = template.indexOf('{')
  if (at < 0) return [template]
  const list = template.slice(0, at - 1)
  const rest = template.slice(template.indexOf('}') + 1)
  const ids = template.startsWith('{tenant}', at) ? [house.tenant] : await listed(house, list)
  return (await Promise.all(ids.map((id) => filled(house, `${list}/${id}${rest}`)))).flat()
}

async function listed(house: House, list: string): Promise<string[]> {
  const answer = await read(house, `${list}?limit=100`)
  // A boundary: the shape that every list of the API has.
  const { items } = (await answer.json()) as { items: { id: string }[] }
  return items.map(({ id }) => id)
}

function isList(target: string): boolean {
  return /\/(tokens|tenants|channels|credentials|subscriptions|deliveries|refusals|events|replays)$/.test(
    target,
  )
}

function commandLines(gates: readonly Gate[]): Haystack[] {
  return gates.flatMap(({ pid }, i) => {
    try {
      return [{ place: `command line of gate ${i + 1}`, bytes: readFileSync(`/proc/${pid}/cmdline`) }]
    } catch {
      return [] // it has ended, or this system shows none
    }
  })
}
