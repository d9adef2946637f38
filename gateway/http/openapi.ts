/**
 * Prints the table of routes as an OpenAPI 3.1 document. In: `routes.ts` and the named schemas of the contract. Out: one
 * JSON value, the same on every run, pinned in `test/golden/openapi.json`. Refuses nothing.
 */
import { z } from 'zod'
import * as api from '@gatehouse/contract/api.ts'
import { REFUSALS } from '@gatehouse/contract/refusals.ts'
import { ROUTES, type Rooms } from '../routes.ts'
import type { Row } from './route.ts'

type Json = Record<string, unknown>

/** Version of the API, not of the program: it changes when a client must. */
const API_VERSION = '1'

/** Defaults make a field optional to the sender. */
const AS_SENT = { io: 'input', unrepresentable: 'any' } as const

let printed: (Json & { openapi: string }) | undefined

/** The document; a constant of the program, so it is made once. */
export function openapi(): Json & { openapi: string } {
  return (printed ??= document())
}

function document(): Json & { openapi: string } {
  const paths: Record<string, Json> = {}
  for (const [id, row] of Object.entries<Row<Rooms>>(ROUTES)) {
    ;(paths[row.path] ??= {})[row.method.toLowerCase()] = operation(id, row)
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Gatehouse admin API',
      version: API_VERSION,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
      schemas: schemas(),
      responses: {
        Problem: { description: problemText(), content: content('application/problem+json', api.Problem) },
      },
    },
  }
}

function operation(id: string, row: Row<Rooms>): Json {
  return {
    operationId: id,
    summary: row.about,
    'x-who': row.who,
    'x-audit': row.audit,
    security: row.who === 'anyone' ? [] : [{ bearer: row.scope === null ? [] : [row.scope] }],
    parameters: [...parameters('path', row.params), ...parameters('query', row.query), ...keyHeader(row)],
    ...(row.body !== null && {
      requestBody: { required: true, content: content('application/json', row.body) },
    }),
    responses: {
      [row.answer.status]: { description: row.about, content: answerContent(row) },
      default: { $ref: '#/components/responses/Problem' },
    },
  }
}

function answerContent(row: Row<Rooms>): Json {
  const { answer } = row
  switch (answer.as) {
    case 'json':
      return content('application/json', answer.schema)
    case 'events':
      return content('text/event-stream', answer.schema)
    case 'bytes':
      return { [answer.contentType]: { schema: {} } }
  }
}

function parameters(place: 'path' | 'query', schema: z.ZodType): Json[] {
  const { properties = {}, required = [] } = jsonSchema(schema) as {
    properties?: Record<string, Json>
    required?: string[]
  }
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema: property,
  }))
}

function keyHeader(row: Row<Rooms>): Json[] {
  if (row.kind !== 'change') return []
  const description = 'The same key within 24 hours has one effect and one answer'
  return [
    {
      name: 'Idempotency-Key',
      in: 'header',
      required: true,
      description,
      schema: { type: 'string', maxLength: 255 },
    },
  ]
}

function content(mediaType: string, schema: z.ZodType): Json {
  const name = named().find(([, known]) => known === schema)?.[0]
  return {
    [mediaType]: {
      schema: name === undefined ? jsonSchema(schema) : { $ref: `#/components/schemas/${name}` },
    },
  }
}

/** Schemas that bodies go by, each naming the others it is made of; paths and queries are printed one by one. */
function schemas(): Json {
  const registry = z.registry<{ id: string }>()
  for (const [id, schema] of named()) registry.add(schema, { id })
  const uri = (id: string) => `#/components/schemas/${id}`
  const { schemas } = z.toJSONSchema(registry, { ...AS_SENT, uri })
  return Object.fromEntries(Object.entries(schemas).map(([id, schema]) => [id, bare(schema)]))
}

function named(): [string, z.ZodType][] {
  return Object.entries<unknown>(api).flatMap(([name, value]): [string, z.ZodType][] => {
    const isBody = value instanceof z.ZodType && !/^At[A-Z]|Query$/.test(name)
    return isBody ? [[name, value]] : []
  })
}

function jsonSchema(schema: z.ZodType): Json {
  return bare(z.toJSONSchema(schema, AS_SENT))
}

/** Without the marks of a document of its own: here they are parts of one. */
function bare(schema: object): Json {
  const { $schema: _, $id: __, ...rest } = schema as Json
  return rest
}

function problemText(): string {
  return `A refusal (RFC 9457). Codes: ${Object.keys(REFUSALS).sort().join(', ')}`
}
