/**
 * The admin listener's app: Hono over the table of `routes.ts`. In: requests. Out: JSON, bytes, events or problems, each
 * under an id that this gate made. Refuses paths that are not in the table (404), methods that a path does not take
 * (405), and whatever `serve.ts` refuses. Knows no CORS: no other origin has business here.
 */
import { type Context, Hono } from 'hono'
import { ROUTES, type Rooms } from '../routes.ts'
import type { Store, Tx } from '../store/store.ts'
import type { Door, RateGate } from './admit.ts'
import { openapi } from './openapi.ts'
import { problemOf } from './problem.ts'
import type { Refused } from './refused.ts'
import { secured } from './respond.ts'
import type { Row } from './route.ts'
import { type ApiEvent, Server } from './serve.ts'

export interface AdminDeps {
  readonly store: Store
  readonly door: Door
  readonly rates: RateGate
  /** Appends inside the transaction; what it throws takes the change back. */
  readonly audit: (tx: Tx, event: ApiEvent) => Promise<number>
  readonly rooms: Omit<Rooms, 'openapi'>
  /** Unix milliseconds. */
  readonly clock: () => number
  /** A fresh id nobody outside can choose. */
  readonly requestId: () => string
  /** Fires when the gate drains: long polls and streams end. */
  readonly stopping: AbortSignal
  readonly observer: Observer
}

/** Who is told what happened; for the log and the metrics. */
export interface Observer {
  answered(call: Answered): void
  failed(route: string, requestId: string, error: unknown): void
}

export interface Answered {
  /** Operation id, or `none` where no row matched. */
  readonly route: string
  readonly method: string
  readonly status: number
  readonly milliseconds: number
  readonly requestId: string
}

export interface Admin {
  readonly fetch: (request: Request) => Promise<Response>
}

interface Env {
  Bindings: { requestId: string; route: string }
}

export function makeAdmin(deps: AdminDeps): Admin {
  const app = appOver(deps)
  return {
    async fetch(request) {
      const began = deps.clock()
      const env = { requestId: deps.requestId(), route: 'none' }
      const response = secured(await app.fetch(request, env), env.requestId)
      const { method } = request
      const milliseconds = deps.clock() - began
      deps.observer.answered({ ...env, method, status: response.status, milliseconds })
      return response
    },
  }
}

function appOver(deps: AdminDeps): Hono<Env> {
  const server = new Server<Rooms>({
    ...deps,
    seals: deps.rooms.keyring,
    rooms: { ...deps.rooms, openapi },
    failed: (route, requestId, error) => deps.observer.failed(route, requestId, error),
  })
  const app = new Hono<Env>()
  for (const [route, row] of rows()) {
    app.on(row.method, honoPath(row.path), async (context) => {
      context.env.route = route
      return faced(context, await server.serve(route, row, context, context.env.requestId))
    })
  }
  for (const [path, methods] of methodsByPath()) {
    app.all(honoPath(path), (context) => faced(context, { refused: 'method', allow: methods }))
  }
  app.notFound((context) => faced(context, { refused: 'no-route' }))
  app.onError((error, context) => {
    deps.observer.failed(context.env.route, context.env.requestId, error)
    return faced(context, { refused: 'failed' })
  })
  return app
}

function rows(): [string, Row<Rooms>][] {
  return Object.entries(ROUTES)
}

function methodsByPath(): Map<string, string[]> {
  const grouped = Map.groupBy(rows(), ([, row]) => row.path as string)
  return new Map([...grouped].map(([path, group]) => [path, group.map(([, row]) => row.method).sort()]))
}

function faced(context: Context<Env>, result: Response | Refused): Response {
  return result instanceof Response ? result : problemOf(result, context.env.requestId)
}

/** `/v1/tenants/{tenant}` as Hono writes it. */
function honoPath(path: string): string {
  return path.replace(/\{(\w+)\}/g, ':$1')
}
