/**
 * The vendors this gate knows, as a console shows them. In: the table of sources. Out: name, docs, what a credential is,
 * the settings as JSON Schema. Refuses nothing.
 */
import { z } from 'zod'
import * as api from '@gatehouse/contract/api.ts'
import type { AdminNeeds, ChannelSource } from './needs.ts'

export function listSources(needs: Pick<AdminNeeds, 'sources'>): z.infer<typeof api.SourceList> {
  return { items: needs.sources.all().map(shown) }
}

function shown(source: ChannelSource): z.infer<typeof api.SourceInfo> {
  const { kind, hint, generated } = source.credential
  return {
    name: source.name,
    title: source.title,
    docs: source.docs,
    tolerance: source.tolerance ?? null,
    signsTime: source.tolerance !== undefined,
    namesWorkspace: source.namesWorkspace,
    credential: { kind, hint, generated },
    settings: settingsSchema(source),
  }
}

function settingsSchema(source: ChannelSource): Record<string, unknown> {
  const { $schema: _, ...schema } = z.toJSONSchema(source.settings, { io: 'input', unrepresentable: 'any' })
  return { ...schema }
}
