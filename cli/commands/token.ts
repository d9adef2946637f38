/**
 * Tokens for people and programs that use the admin API. In: a name and scopes, at most one's own. Out: the token, its
 * value once. Refuses what the gate refuses.
 */
import type { Client } from '@gatehouse/contract/client.ts'
import type { Scope } from '@gatehouse/contract/api.ts'
import type { Command } from '../command.ts'
import { online } from '../connect.ts'
import { printPage, printRecord } from '../print.ts'
import { tenantIdOf } from '../resolve.ts'
import { EXIT, usage } from '../trouble.ts'
import { numberOf, pageOf } from '../values.ts'

export const tokenCommands: readonly Command[] = [
  {
    name: 'token create',
    summary: 'Make a token; its value is shown this once',
    options: {
      name: { value: 'name', needed: true, help: 'whose or what for' },
      scope: { value: 'scope', many: true, needed: true, help: 'such as delivery:read, or all' },
      tenant: { value: 'tenant', help: 'bind it to one, id or name' },
      'expires-days': { value: 'days', help: 'good for so long; without end when left out' },
    },
    online: true,
    example: 'gatehouse token create --name dashboard --scope delivery:read --tenant acme',
    run: online(async (api, input, io) => {
      const scopes = await scopesOf(input.list('scope'))
      const days = numberOf(input, 'expires-days')
      const token = await api.createToken({
        name: input.need('name'),
        scopes,
        ...(await boundTo(api, input.text('tenant'))),
        ...(days !== undefined && { expiresInSeconds: days * 86_400 }),
      })
      printRecord(io, input, token)
      return EXIT.done
    }),
  },
  {
    name: 'token list',
    summary: 'List tokens; their values are never shown',
    online: true,
    paged: true,
    example: 'gatehouse token list',
    run: online(async (api, input, io) => {
      printPage(io, input, await api.listTokens(pageOf(input)), {
        id: (it) => it.id,
        name: (it) => it.name,
        tenant: (it) => it.tenant,
        'last used': (it) => it.lastUsedAt,
        expires: (it) => it.expiresAt,
        revoked: (it) => it.revokedAt,
      })
      return EXIT.done
    }),
  },
  {
    name: 'token revoke',
    summary: 'End a token now',
    takes: [{ name: 'token', help: 'its id, tok_…, never its value' }],
    online: true,
    dangerous: true,
    example: `gatehouse token revoke tok_… --reason 'laptop lost'`,
    run: online(async (api, input, io) => {
      printRecord(io, input, await api.revokeToken(input.needAt(0), { reason: input.need('reason') }))
      return EXIT.done
    }),
  },
]

async function boundTo(api: Client, tenant: string | undefined): Promise<{ tenant?: string }> {
  return tenant === undefined ? {} : { tenant: await tenantIdOf(api, tenant) }
}

async function scopesOf(given: readonly string[]): Promise<Scope[]> {
  const { SCOPES } = await import('@gatehouse/contract/api.ts')
  if (given.length === 1 && given[0] === 'all') return [...SCOPES]
  return given.map((text) => {
    const scope = SCOPES.find((known) => known === text)
    if (scope === undefined) throw usage(`there is no scope ${text}`, `one of ${SCOPES.join(', ')}`)
    return scope
  })
}
