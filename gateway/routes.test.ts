import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { z } from 'zod'
import { Client } from '@gatehouse/contract/client.ts'
import { REFUSALS } from '@gatehouse/contract/refusals.ts'
import { golden } from '../test/support/golden.ts'
import { openapi } from './http/openapi.ts'
import { ROUTES, type Rooms } from './routes.ts'
import type { Row } from './http/route.ts'

const rows = Object.entries<Row<Rooms>>(ROUTES)

test('the permission matrix is the one that was reviewed', () => {
  const cells = rows
    .map(([, row]) => [row.method, row.path, row.scope ?? '-', row.who, row.rate, row.audit ?? '-'])
    .sort(([a1 = '', a2 = ''], [b1 = '', b2 = '']) => (`${a2} ${a1}` < `${b2} ${b1}` ? -1 : 1))
  const open = cells.filter((row) => row[3] === 'anyone')
  const lines = [
    'Written from gateway/routes.ts; a change here is a change of who may do what.',
    '',
    ...table([['method', 'path', 'scope', 'who', 'rate', 'audit'], ...cells]),
    '',
    'Without a credential:',
    '',
    ...table(open.map((row) => row.slice(0, 2))),
  ]
  golden('test/golden/routes.txt', `${lines.join('\n')}\n`)
})

test('the OpenAPI document is the one that was reviewed', () => {
  golden('test/golden/openapi.json', `${JSON.stringify(openapi(), null, 2)}\n`)
})

test('every reference of the OpenAPI document leads somewhere', () => {
  const text = JSON.stringify(openapi())
  const document = openapi() as unknown as { components: Record<string, Record<string, unknown>> }
  for (const [, kind = '', name = ''] of text.matchAll(/"\$ref":"#\/components\/(\w+)\/(\w+)"/g)) {
    assert.ok(document.components[kind]?.[name], `${kind}/${name}`)
  }
})

test('every path names exactly the parameters of its schema', () => {
  for (const [id, row] of rows) {
    const named = [...row.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
    assert.ok(row.params instanceof z.ZodObject, id)
    assert.deepEqual(named, Object.keys(row.params.shape), id)
  }
})

test('changes name what the audit log says of them; reads without effect name nothing', () => {
  for (const [id, row] of rows) {
    const isAudited = row.kind === 'change' || row.kind === 'claim' || row.kind === 'reveal'
    assert.equal(row.audit !== null, isAudited, id)
    if (row.kind === 'change') assert.notEqual(row.method as string, 'GET', id)
    if (row.method === 'GET') assert.equal(row.body, null, id)
  }
})

test('a row that leaves a column out does not type-check', () => {
  const { audit: _, ...unaudited } = ROUTES.createTenant
  // @ts-expect-error: a change without an audit action is no row
  const row: Row<Rooms> = unaudited
  assert.ok(row)
})

test('routes of a tenant guard the tenant of their path', () => {
  for (const [id, row] of rows) {
    const isTenantPath = row.path.startsWith('/v1/tenants/{tenant}')
    assert.equal(row.who === 'tenant' || row.who === 'receiver', isTenantPath, id)
  }
})

test('the client has one method an operation, and none besides', () => {
  const client = new Client({ url: 'http://127.0.0.1:1' })
  const own = Object.keys(client)
  const inherited = Object.getOwnPropertyNames(Client.prototype).filter((name) => name !== 'constructor')
  assert.deepEqual([...own, ...inherited].sort(), Object.keys(ROUTES).sort())
})

test('every refusal has a page, and every page a refusal', () => {
  const pages = readdirSync(new URL('../docs/refusals/', import.meta.url)).map((file) =>
    file.replace(/\.md$/, ''),
  )
  assert.deepEqual(pages.sort(), Object.keys(REFUSALS).sort())
})

function table(lines: readonly (readonly string[])[]): string[] {
  const widths =
    lines[0]?.map((_, column) => Math.max(...lines.map((cells) => cells[column]?.length ?? 0))) ?? []
  return lines.map((cells) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
