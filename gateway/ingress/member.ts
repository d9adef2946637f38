/**
 * Reads members of parsed bodies by their own names only. In: a parsed value and a path of names. Out: what stands
 * there, or `undefined`. Refuses to see anything inherited: `__proto__`, `constructor` and their like are names as any.
 */
import type { Json } from '@gatehouse/proof/canonical.ts'

/** What stands at `path` inside `value`, through objects only. */
export function member(value: Json | undefined, ...path: readonly string[]): Json | undefined {
  let at = value
  for (const name of path) {
    if (!isRecord(at) || !Object.hasOwn(at, name)) return undefined
    at = at[name]
  }
  return at
}

/** The text at `path`, when it is text and not empty. */
export function textAt(value: Json | undefined, ...path: readonly string[]): string | undefined {
  const found = member(value, ...path)
  return typeof found === 'string' && found !== '' ? found : undefined
}

/** The id at `path`: text, or a whole number that JSON carried without loss, as text. */
export function idAt(value: Json | undefined, ...path: readonly string[]): string | undefined {
  const found = member(value, ...path)
  return typeof found === 'number' && Number.isSafeInteger(found) ? String(found) : textAt(value, ...path)
}

/** The list at `path`, or an empty one. */
export function listAt(value: Json | undefined, ...path: readonly string[]): readonly Json[] {
  const found = member(value, ...path)
  return isList(found) ? found : []
}

/** Whether `value` is a JSON object. */
export function isRecord(value: Json | undefined): value is { readonly [name: string]: Json } {
  return typeof value === 'object' && value !== null && !isList(value)
}

/** The texts that are there, each once: what a source lists as workspaces. */
export function named(...texts: readonly (string | undefined)[]): readonly string[] {
  return [...new Set(texts.filter((text) => text !== undefined))]
}

/** `{ [name]: value }`, or nothing when there is no value: optional properties are left out, never `undefined`. */
export function given<N extends string, V>(name: N, value: V | undefined): { [P in N]?: V } {
  // The computed name is N; TypeScript widens it to string.
  return value === undefined ? {} : ({ [name]: value } as { [P in N]: V })
}

/** A party, or nothing without an id. */
export function party(id: string | undefined, name?: string): { id: string; name?: string } | undefined {
  return id === undefined ? undefined : { id, ...given('name', name) }
}

function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value)
}
