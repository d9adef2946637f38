/**
 * Tells a secret from a placeholder that someone forgot to replace. In: the secret's text. Out: whether it is one of the
 * words that examples, templates and tutorials put there. It does not judge strength: a short real secret passes.
 */

/** Compared in lower case, without `-`, `_`, `.`, `!` and spaces. */
const WORDS: ReadonlySet<string> = new Set([
  'changeme',
  'changethis',
  'changeit',
  'replaceme',
  'replacethis',
  'placeholder',
  'example',
  'secret',
  'mysecret',
  'supersecret',
  'topsecret',
  'yoursecret',
  'password',
  'mypassword',
  'yourpassword',
  'passw0rd',
  'pass',
  'passwd',
  'todo',
  'fixme',
  'tbd',
  'none',
  'null',
  'undefined',
  'default',
  'dummy',
  'redacted',
  'sealed',
  '[sealed]',
])

/** `<password>`, `${DB_PASSWORD}`, `{{ password }}`, `%PASSWORD%`: a template that nobody filled in. */
const TEMPLATE = /^(?:<.*>|\$\{.*\}|\$\(.*\)|\{\{.*\}\}|%\w+%|\$[A-Z_]+)$/
/** `xxxx`, `****`, `....`, `0000`: one character again and again. */
const REPEATED = /^(.)\1{2,}$/
/** `your-token-here`, `put_secret_here`. */
const INSTRUCTION = /^(?:your|my|put|insert|enter|add)[-_ ].*|.*[-_ ]here$/

/** Empty text is no placeholder: whether a secret may be missing is the setting's question. */
export function isPlaceholder(secret: string): boolean {
  const text = decoded(secret).trim().toLowerCase()
  if (text === '') return false
  const word = text.replace(/[-_.! ]/g, '')
  return (
    WORDS.has(word) || TEMPLATE.test(decoded(secret).trim()) || REPEATED.test(text) || INSTRUCTION.test(text)
  )
}

/** Passwords in URLs come percent-encoded. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // a bare percent sign: not encoded, so it stands as it is
  }
}
