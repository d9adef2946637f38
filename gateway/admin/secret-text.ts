/**
 * Credential text: made up where the vendor lets its user choose, judged where a person brings one. In: a source, its
 * settings, a value. Out: a value that the source takes, or one sentence why not, which never holds the value. Refuses
 * placeholders, secrets too short to be any, and what the source's own key reader refuses.
 */
import type { AdminNeeds, ChannelSource, CredentialKind } from './needs.ts'

/** Fewer characters than this are guessed, not known. */
const SHORTEST = 8
/** 256 bits, as much as the MACs they key. */
const RANDOM_BYTES = 32
/** Long enough to pass the length check, and the first that a guesser tries. Compared without case and marks. */
const GUESSED: ReadonlySet<string> = new Set(
  `testtest testing1 testsecret webhooksecret signingsecret yoursecrethere password1 password123
   12345678 123456789 1234567890 qwertyui qwertyuiop abcdefgh letmein1`.split(/\s+/),
)

/** The source's own credential for '', else the one of that role; undefined when it has none. */
export function kindOf(source: ChannelSource, role: string): CredentialKind | undefined {
  return role === '' ? source.credential : source.otherCredentials?.[role]
}

/** A fresh credential in the vendor's spelling, or undefined where the vendor or the settings want one of its own. */
export function makeSecret(
  needs: AdminNeeds,
  source: ChannelSource,
  settings: unknown,
  role: string,
): string | undefined {
  const credential = kindOf(source, role)
  if (credential?.generated !== true) return undefined
  const bytes = needs.random(RANDOM_BYTES)
  const value = credential.make?.(bytes) ?? bytes.toString('base64url')
  return keyProblem(source, settings, value, role) === undefined ? value : undefined
}

/** Why `value` cannot be a credential of this source, or undefined. */
export function secretProblem(
  needs: AdminNeeds,
  source: ChannelSource,
  settings: unknown,
  value: string,
  role: string,
): string | undefined {
  // A vendor's public key is no secret: its length and form are the key reader's to judge.
  const problem = kindOf(source, role)?.kind === 'secret' ? weakness(needs, value) : undefined
  return problem ?? keyProblem(source, settings, value, role)
}

/** Why settings and credential do not fit each other, as the source says it. */
export function keyProblem(
  source: ChannelSource,
  settings: unknown,
  value: string,
  role: string,
): string | undefined {
  try {
    source.key(value, settings, role)
    return undefined
  } catch (error) {
    if (error instanceof RangeError) return error.message
    throw error
  }
}

function weakness(needs: AdminNeeds, value: string): string | undefined {
  if (value.trim() !== value) return 'begins or ends with white space; copy it without'
  // The prefix is no part of the secret: what follows it must be one.
  const secret = value.replace(/^whsec_/, '')
  const isGuessed = GUESSED.has(secret.toLowerCase().replace(/[^a-z0-9]/g, ''))
  if (isGuessed || needs.isPlaceholder(value) || needs.isPlaceholder(secret)) {
    return 'is a placeholder; bring the one that the vendor shows'
  }
  if (value.length < SHORTEST) return `has ${value.length} characters, wanted at least ${SHORTEST}`
  return undefined
}
