/**
 * The page about the admin API, from its OpenAPI document. In: nothing. Out: Markdown for `docs/guide/openapi.md`: every
 * operation with the scope it needs, and every shape in short. Refuses nothing; a test fails when page and document differ.
 */
import { openapi } from './openapi.ts'

type Json = Readonly<Record<string, unknown>>

const HEAD = `# Admin API

<!-- Printed from the OpenAPI document by \`npm run docs\`; a test holds the two together. -->

On the admin listener, \`http://127.0.0.1:8081\` unless it is set otherwise, never on the public one. The whole document, with
every limit and pattern, is served at \`/openapi.json\` and pinned in [test/golden/openapi.json](../../test/golden/openapi.json);
this page is what one looks up. [\`@gatehouse/contract/client.ts\`](../../contract/client.ts) has one typed method for each
operation, of the same name.

- **Credential**: \`Authorization: Bearer gh_…\`; \`gatehouse claim\` gives the first, \`gatehouse token create\` further ones with
  as few scopes as they need. A pull subscription's token does nothing but pull.
- **Changes** want an \`Idempotency-Key\` header: the same key within 24 hours has one effect and one answer.
- **Lists** answer newest first, with \`next\`, the cursor of the page after it, or null.
- **Refusals** are RFC 9457 problems with a [stable code](../refusals/).
- A field that is not in the shape is refused, so that a typing error never becomes a default.

## Operations

`

export function openapiPage(): string {
  const document = openapi() as Json
  return `${HEAD}${table(operations(document))}\n\n## Shapes\n\n${shapes(document)}\n`
}

function operations(document: Json): readonly (readonly string[])[] {
  const rows = Object.entries(at(document, 'paths')).flatMap(([path, methods]) =>
    Object.entries(methods as Json).map(([method, operation]) => row(method, path, operation as Json)),
  )
  return [['operation', 'call', 'scope', 'body', 'answer', 'does'], ...rows]
}

function row(method: string, path: string, operation: Json): readonly string[] {
  const query = list(operation['parameters']).filter((one) => one['in'] === 'query')
  const names = query.map((one) => String(one['name']))
  const call = `\`${method.toUpperCase()} ${path}${names.length > 0 ? `?${names.join('&')}` : ''}\``
  const [status = '', answer] = Object.entries(at(operation, 'responses'))[0] ?? []
  const body = contentOf(at(operation, 'requestBody'))
  return [
    `\`${String(operation['operationId'])}\``,
    call,
    scopeOf(operation),
    body === '' ? '' : `\`${body}\``,
    `${status} \`${contentOf(answer as Json)}\``,
    String(operation['summary']),
  ]
}

function scopeOf(operation: Json): string {
  const [first] = list(operation['security'])
  if (first === undefined) return 'none needed'
  const scopes = first['bearer'] as readonly string[]
  return scopes.length === 0 ? 'any token' : `\`${scopes.join('`, `')}\``
}

function contentOf(holder: Json): string {
  const [type, content] = Object.entries(at(holder, 'content'))[0] ?? []
  if (type === undefined) return ''
  const schema = at(content as Json, 'schema')
  return Object.keys(schema).length === 0 ? type : shape(schema)
}

function shapes(document: Json): string {
  return Object.entries(at(at(document, 'components'), 'schemas'))
    .map(([name, schema]) => `\`\`\`text\n${name} = ${shape(schema as Json, '  ')}\n\`\`\``)
    .join('\n\n')
}

/** In TypeScript's spelling; with `indent` an object's members stand a line each. */
function shape(schema: Json, indent?: string): string {
  if (typeof schema['$ref'] === 'string') return schema['$ref'].split('/').at(-1) ?? ''
  if ('const' in schema) return JSON.stringify(schema['const'])
  if (Array.isArray(schema['enum'])) return schema['enum'].map((one) => JSON.stringify(one)).join(' | ')
  if (Array.isArray(schema['anyOf']))
    return schema['anyOf'].map((one) => shape(one as Json, indent)).join(' | ')
  switch (schema['type']) {
    case 'array':
      return listOf(shape(at(schema, 'items'), indent))
    case 'object':
      return objectOf(schema, indent)
    case 'string':
      return stringOf(schema)
    case 'integer':
    case 'number':
      return 'number'
    default:
      return Array.isArray(schema['type']) ? schema['type'].join(' | ') : named(schema)
  }
}

function named({ type }: Json): string {
  return typeof type === 'string' ? type : 'any'
}

function listOf(item: string): string {
  return item.includes(' | ') && !item.startsWith('{') ? `(${item})[]` : `${item}[]`
}

function stringOf(schema: Json): string {
  if (schema['format'] === 'date-time') return 'time'
  const { pattern } = schema
  const prefix = typeof pattern === 'string' ? /^\^([a-z]{3}_)\[/.exec(pattern)?.[1] : undefined
  return prefix === undefined ? 'string' : `${prefix}…`
}

function objectOf(schema: Json, indent = ''): string {
  const properties = Object.entries(at(schema, 'properties'))
  if (properties.length === 0) return '{ [name]: any }'
  const required = new Set(list(schema['required']) as unknown as readonly string[])
  const members = properties.map(([name, inner]) => {
    const text = shape(inner as Json, indent === '' ? '' : `${indent}  `)
    return `${name}${required.has(name) ? '' : '?'}: ${text}`
  })
  if (indent === '') return `{ ${members.join('; ')} }`
  return `{\n${members.map((member) => indent + member).join('\n')}\n${indent.slice(2)}}`
}

/** Padded, as the formatter leaves it. */
function table(rows: readonly (readonly string[])[]): string {
  const cells = rows.map((cols) => cols.map((cell) => cell.replaceAll('|', '\\|')))
  const widths = (cells[0] ?? []).map((_, i) => Math.max(3, ...cells.map((cols) => cols[i]?.length ?? 0)))
  const line = (cols: readonly string[]) =>
    `| ${cols.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`
  const [head = [], ...body] = cells
  return [line(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...body.map(line)].join(
    '\n',
  )
}

/** A member that is an object, or an empty one. */
function at(holder: Json | undefined, name: string): Json {
  // A boundary: the document is ours, JSON without types.
  return (holder?.[name] ?? {}) as Json
}

function list(value: unknown): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : []
}
