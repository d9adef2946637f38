/**
 * Secrets as they may have been meant. In: the text that was given. Out: that text as people paste, export and convert
 * it wrongly, and what it looks like when it is no signing secret at all. Refuses to show any of it: evidence holds
 * lengths and names of forms only.
 */
import { fromBase64, fromBase64Url, fromHex } from '@gatehouse/proof/bytes.ts'
import type { Source } from '../source.ts'
import type { Suspicion } from './suspicion.ts'

const SPACES = /^[\s\u200b\ufeff]+|[\s\u200b\ufeff]+$/g
const AGAIN = 'store the credential again in this form: gatehouse credential rotate'

/** Forms of credentials that are not the signing secret, and the sources for which they are. */
const OTHERS: readonly (readonly [RegExp, string, RegExp?])[] = [
  [/^xox[abeprs]-|^xapp-/, 'a Slack token'],
  [/^[sr]k_(live|test)_/, 'a Stripe API key'],
  [/^pk_(live|test)_/, 'a Stripe publishable key'],
  [/^gh[pousr]_[A-Za-z0-9]{20,}|^github_pat_/, 'a GitHub access token'],
  [/^glpat-/, 'a GitLab access token'],
  [/^\d{6,12}:[\w-]{30,}$/, 'a Telegram bot token', /^telegram-/],
  [/^eyJ[\w-]+\.[\w-]+\./, 'a JSON Web Token'],
  [/^[\w-]{23,28}\.[\w-]{6}\.[\w-]{27,}$/, 'a Discord bot token'],
  [/^(AC|SK)[0-9a-f]{32}$/, 'a Twilio SID'],
  [/^SG\.[\w-]+\.[\w-]+$/, 'a SendGrid API key'],
  [/^shp(at|ca|pa)_/, 'a Shopify access token'],
  [/^lin_api_/, 'a Linear API key'],
  [/^gh_[\w-]{43}$/, 'a token of this gate'],
  [/^-----BEGIN [A-Z ]*PRIVATE KEY/, 'a private key'],
  [/^-----BEGIN (CERTIFICATE|PUBLIC KEY)/, 'a public key in PEM', /^(discord|sendgrid|aws-sns|paypal)/],
  [/^https?:\/\//, 'a URL'],
]

/** What the text looks like, when that is something else than this source's secret. */
export function otherKind(secret: string, source: Source): string | undefined {
  return OTHERS.find(([form, , fits]) => form.test(secret.trim()) && fits?.test(source.name) !== true)?.[1]
}

export function secretSuspicions(secret: string, source: Source): readonly Suspicion[] {
  return [...respelled(secret), ...asBytes(secret), ...otherRoles(source)].filter(
    (one) => one.secret !== secret,
  )
}

function respelled(secret: string): readonly Suspicion[] {
  const trimmed = secret.replaceAll(SPACES, '')
  const spell = (what: string, evidence: string, changed: string): readonly Suspicion[] =>
    changed === '' ? [] : [{ what, evidence, next: AGAIN, secret: changed }]
  const space = secret.length - trimmed.length
  return [
    ...spell('secret-whitespace', `the secret has ${space} white-space characters around it`, trimmed),
    ...spell('secret-whitespace', 'the secret ends in a line break at the sender', `${secret}\n`),
    ...spell(
      'secret-quoted',
      'the secret stands in quotation marks',
      trimmed.replace(/^(["'`])(.*)\1$/s, '$2'),
    ),
    ...spell(
      'secret-prefix',
      'the secret came with its whsec_ prefix, wanted without',
      trimmed.replace(/^whsec_/, ''),
    ),
    ...spell('secret-prefix', 'the secret came without its whsec_ prefix, wanted with', `whsec_${trimmed}`),
    ...spell('secret-encoded', 'the secret is percent-encoded', unescaped(trimmed)),
    ...spell(
      'secret-assigned',
      'a whole line NAME=value was stored',
      trimmed.replace(/^[A-Z][A-Z0-9_]*=/, ''),
    ),
  ]
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return ''
  }
}

/** The key's bytes by another reading of the text; some senders decode what others take as it stands. */
function asBytes(secret: string): readonly Suspicion[] {
  const text = secret.replaceAll(SPACES, '').replace(/^whsec_/, '')
  const read = (form: string, bytes: Buffer | undefined): readonly Suspicion[] =>
    bytes === undefined || bytes.length === 0
      ? []
      : [
          {
            what: 'secret-encoding',
            evidence: `the sender's key is ${bytes.length} bytes: the secret ${form}`,
            next: 'the sender reads its secret in another encoding than this source does; set the same on both sides',
            keyBytes: bytes,
          },
        ]
  return [
    ...read('taken as text', Buffer.from(secret.replace(/^whsec_/, ''), 'utf8')),
    ...read('taken as text with its prefix', Buffer.from(secret, 'utf8')),
    ...read('out of base64', fromBase64(text)),
    ...read('out of base64url', fromBase64Url(text)),
    ...read('out of hex', fromHex(text)),
  ]
}

function otherRoles({ otherCredentials = {} }: Source): readonly Suspicion[] {
  return Object.keys(otherCredentials).map((role) => ({
    what: 'secret-other-role',
    evidence: `the secret proves as this source's ${role}`,
    next: `store it with the role ${role}, and the signing secret beside it`,
    role,
  }))
}
