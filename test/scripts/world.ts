/**
 * What a behaviour script acts on: a folder of its own, a gate, an app, and what the last command said. In: the verbs'
 * changes. Out: an environment in which nothing of the developer's own is seen. Refuses nothing.
 */
import type { Server } from 'node:http'
import { join } from 'node:path'
import type { Gate } from '../support/gate.ts'

export interface Sent {
  readonly url: string
  readonly headers: Record<string, string>
  readonly body: Buffer
}

export interface World {
  readonly folder: string
  /** What `$NAME` stands for. */
  readonly names: Map<string, string>
  /** What the app was sent, in order. */
  readonly got: { readonly headers: Readonly<Record<string, unknown>>; readonly body: string }[]
  last: { exit: number | null; stdout: string; stderr: string }
  gate?: Gate | undefined
  app?: Server
  sent?: Sent
}

export function environmentOf(world: World): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: world.folder,
    XDG_CONFIG_HOME: join(world.folder, 'config'),
    GATEHOUSE_URL: world.names.get('ADMIN') ?? 'http://127.0.0.1:1',
  }
}
