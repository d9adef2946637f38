/**
 * Fields of a query string or of a body that has to be read before it is proved. In: a request target, or form text. Out:
 * the fields by their own names. Refuses, by `undefined`, what `parse.ts` refuses of forms: too many fields, one that
 * stands twice, bytes that are not UTF-8. Bounded by what the caller lets in: node's 16 KiB for a target, a body cap else.
 */
import { parse } from './parse.ts'

/** What stands after the first `?`, as received; empty when nothing does. */
export function queryOf(target: string): string {
  const at = target.indexOf('?')
  return at < 0 ? '' : target.slice(at + 1)
}

/** The fields of form text, decoded; a record without a prototype. */
export function fieldsOf(text: string | Buffer): Readonly<Record<string, string>> | undefined {
  const parsed = parse(Buffer.from(text), ['form'])
  return 'type' in parsed && parsed.type === 'form' ? parsed.value : undefined
}
