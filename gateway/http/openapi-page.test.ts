import assert from 'node:assert/strict'
import { test } from 'node:test'
import { golden } from '../../test/support/golden.ts'
import { ROUTES } from '../routes.ts'
import { openapi } from './openapi.ts'
import { openapiPage } from './openapi-page.ts'

test('docs/guide/openapi.md is what the OpenAPI document says', () => {
  golden('docs/guide/openapi.md', openapiPage())
})

test('the page has every operation and every shape, and what each needs', () => {
  const page = openapiPage()
  for (const [id, { scope }] of Object.entries(ROUTES)) {
    const row = page.split('\n').find((line) => line.startsWith(`| \`${id}\` `))
    assert.ok(row, id)
    if (scope !== null) assert.ok(row.includes(`\`${scope}\``), id)
  }
  const { components } = openapi() as unknown as { components: { schemas: object } }
  for (const name of Object.keys(components.schemas)) assert.match(page, new RegExp(`^${name} = `, 'm'))
  assert.doesNotMatch(page, /undefined|\[object/)
})
