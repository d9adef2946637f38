/**
 * The larger set of addresses and URLs, where it is at hand: `shared/vectors` beside the repository or
 * `$GATEHOUSE_VECTORS`. Runs the entries that need no proxy; names are answered from the entry, never by DNS.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { judge } from './address.ts'
import { readTarget } from './target.ts'

interface Entry {
  readonly id: string
  readonly kind: string
  readonly input: string
  readonly expect: 'allow' | 'block'
  readonly base?: string
  readonly option?: unknown
  readonly either?: boolean
  readonly note?: string
  readonly resolves_to?: readonly string[]
}

const root = join(import.meta.dirname, '..', '..')
const folder = process.env['GATEHOUSE_VECTORS'] ?? join(root, '..', 'shared', 'vectors')
const read = (name: string): unknown => JSON.parse(readFileSync(join(folder, name), 'utf8'))
const skip = existsSync(join(folder, 'egress-addresses.json')) ? false : `no vectors in ${folder}`

/** Ports are free here, and an entry that the set itself leaves open may go either way. */
const isOurs = (entry: Entry): boolean =>
  entry.option === undefined && entry.either !== true && entry.note === undefined

test('addresses of the larger set get the verdict it expects', { skip }, () => {
  const { entries } = read('egress-addresses.json') as { entries: Entry[] }
  const misses = entries.filter((entry) => entry.kind === 'ip' && verdict(entry.input) !== entry.expect)
  assert.deepEqual(
    misses.map(({ id, input }) => `${id} ${input}`),
    [],
  )
})

test('URLs and names of the larger set get the verdict it expects', { skip }, () => {
  const { entries } = read('egress-addresses.json') as { entries: Entry[] }
  const ours = entries.filter((entry) => ['url', 'hostname', 'dns'].includes(entry.kind) && isOurs(entry))
  const misses = ours.filter((entry) => called(entry) !== entry.expect)
  assert.deepEqual(
    misses.map(({ id, input, expect }) => `${id} ${expect} ${input}`),
    [],
  )
})

test('every range of the IANA registries is refused', { skip }, () => {
  const { ranges } = read('ip-special-ranges.json') as { ranges: { prefix: string }[] }
  const open = ranges.filter(
    ({ prefix }) => prefix !== '::ffff:0:0/96' && verdict(prefix.split('/')[0] ?? '') === 'allow',
  )
  assert.deepEqual(open, [])
})

function verdict(address: string): 'allow' | 'block' {
  return judge(address, []).verdict === 'allow' ? 'allow' : 'block'
}

/** What the dialler would do with http allowed, as the set's policy has it. */
function called({ kind, input, base, resolves_to: answers = [] }: Entry): 'allow' | 'block' {
  const isAlone = base === undefined || URL.canParse(input)
  const url = isAlone ? input : (URL.parse(input, base)?.href ?? '')
  const target = readTarget(kind === 'url' ? url : `https://${input}/`)
  if (!target.ok || target.target.needsException) return 'block'
  const addresses = target.target.isLiteral ? [target.target.host] : answers
  return addresses.length > 0 && addresses.every((address) => verdict(address) === 'allow')
    ? 'allow'
    : 'block'
}
