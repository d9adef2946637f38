/**
 * Says why a recorded request is refused and what would make it pass. In: a record with the fields of `source check`,
 * and a time. Out: the step that said no, and findings: causes, each tried with the listener's own proof, and signs,
 * which are only seen. Refuses to show a secret, a header's value, a signature or a MAC: findings hold lengths, ages,
 * names of headers and layouts.
 */
import { macKey, isMacKey, signedDigest } from '@gatehouse/proof/webhook.ts'
import { credentialTexts, Recorded, requestOf, settingsOf, sourceOf, within } from './check.ts'
import { bodySuspicions } from './explain/bodies.ts'
import { type Case, type Explanation, type Finding, type GivenSecret, sign } from './explain/finding.ts'
import { type HeaderList, headerSuspicions } from './explain/headers.ts'
import { otherKind, secretSuspicions } from './explain/secrets.ts'
import { signsOf } from './explain/signs.ts'
import type { Suspicion } from './explain/suspicion.ts'
import { timeFinding } from './explain/time.ts'
import { urlSuspicions } from './explain/urls.ts'
import { vendorCredentials } from './recorded-key.ts'
import type { Claim, RawRequest, Source } from './source.ts'
import { type LiveCredential, type ProofRefusal, VerifiedDelivery } from './verify.ts'

/** Findings of one name that are shown; further ones say the same of other bytes. */
const ALIKE_CAP = 2
/** Bodies and addresses that are tried with each other spelling of the secret. */
const PAIRED_CAP = 200

export function explain(record: unknown, nowSeconds: number): Explanation {
  const read = readCase(record, nowSeconds)
  return 'verdict' in read ? read : new Trial(read).explain()
}

/** The record as a case, or why it is none. */
function readCase(record: unknown, nowSeconds: number): Case | Explanation {
  const read = Recorded.safeParse(record)
  if (!read.success)
    return stopped(
      null,
      'record',
      'record-malformed',
      issuesOf(read.error.issues),
      'see gatehouse help source explain',
    )
  const recorded = read.data
  const source = sourceOf(recorded)
  if (source === undefined)
    return stopped(
      null,
      'record',
      'source-unknown',
      'the record names no source that there is',
      'see gatehouse source list',
    )
  const settings = source.settings.safeParse(settingsOf(recorded, source))
  if (!settings.success)
    return stopped(
      source,
      'record',
      'settings-malformed',
      issuesOf(settings.error.issues),
      `give the channel's settings; see ${source.docs}`,
    )
  const came = headersOf(recorded)
  const request = requestOf({ ...recorded, headers: once(came) })
  if (request === undefined)
    return stopped(
      source,
      'record',
      'record-malformed',
      'the body cannot be read from the record',
      'give body as text, or bodyBase64',
    )
  const secrets = credentialTexts(recorded, source)
  const now = recorded.now ?? nowSeconds
  const published = attempt(() => vendorCredentials(recorded, source, request, settings.data, now))
  const vendors = published === undefined || 'refused' in published ? [] : published
  return {
    source: within(source, recorded.toleranceSeconds),
    settings: settings.data,
    request,
    came,
    secrets,
    credentials: [...keysOf(source, settings.data, secrets), ...vendors],
    now,
    timed: recorded.now !== undefined,
  }
}

/** Tries a case: as it is, then as it may have been. */
class Trial {
  readonly #case: Case
  readonly #seen = new Set<string>()
  #tried = 0

  constructor(given: Case) {
    this.#case = given
  }

  explain(): Explanation {
    const { source, settings, request, credentials, secrets, now } = this.#case
    const verdict = VerifiedDelivery.verify({ source, settings, credentials }, request, now)
    if (verdict instanceof VerifiedDelivery) return this.#ended('accept', null, [])
    const unusable = this.#unusable()
    const keyed = credentials.length === 0 ? this.#vendorKeyed() : undefined
    if (keyed !== undefined) return this.#ended('reject', 'vendor-key', [keyed])
    if (secrets.length === 0 && credentials.length === 0)
      return this.#ended('reject', 'credential', [NO_SECRET])
    return this.#ended('reject', STEPS[verdict.refused] ?? 'header', [
      ...unusable,
      ...this.#ofRefusal(verdict),
    ])
  }

  #ofRefusal(verdict: ProofRefusal): readonly Finding[] {
    if ('header' in verdict) return this.#headers(verdict.refused, verdict.header)
    if (verdict.refused === 'timestamp') {
      const time = timeFinding(this.#case, verdict.ageSeconds, this.#proves({}))
      return [time, ...(time.weight === 'cause' ? [] : this.#signature())]
    }
    if (verdict.refused === 'no-credential') return this.#causes(this.#ofSecrets())
    if (verdict.refused === 'signature') return this.#signature()
    if (verdict.refused === 'decider-failed') return [FAILED]
    return [
      sign(
        'claim-other',
        `its ${verdict.refused} is not the one that this channel is for`,
        `see ${this.#case.source.docs}`,
      ),
    ]
  }

  /** Secrets that this source can make no key of, in the source's own words. */
  #unusable(): readonly Finding[] {
    const { source, settings, secrets } = this.#case
    return secrets.flatMap((secret): readonly Finding[] => {
      const why = unusableBecause(source, settings, secret)
      const kind = secret.role === '' ? otherKind(secret.value, source) : undefined
      const next = `take ${source.credential.hint}`
      return [
        ...(why === undefined ? [] : [sign('secret-unusable', why, next)]),
        ...(kind === undefined ? [] : [sign('secret-other-kind', `what was given looks like ${kind}`, next)]),
      ]
    })
  }

  /** A key of the vendor's own, named by the request: not to be had without the network. */
  #vendorKeyed(): Finding | undefined {
    const { source, request, settings } = this.#case
    const ref = attempt(() => source.keyRef?.(request, settings))
    if (ref === undefined || 'refused' in ref) return undefined
    const where = URL.parse(ref.url)?.host ?? 'the vendor'
    const evidence = `proved with a key that ${where} publishes, of kind ${ref.kind}; no key is fetched here`
    return sign('vendor-key', evidence, 'send it to a gate, and see gatehouse refusal list')
  }

  #headers(refused: string, header: string): readonly Finding[] {
    const { source, settings, request, came } = this.#case
    const refusedFor = (changed: RawRequest): string | undefined => {
      const claimed = attempt(() => source.claim(changed, settings))
      if (claimed === undefined) return ''
      return 'refused' in claimed ? ('header' in claimed ? claimed.header : '') : undefined
    }
    const repaired = headerSuspicions(request, came, refusedFor)
    const causes = this.#causes([...repaired, ...urlSuspicions(request)])
    if (causes.length > 0) return causes
    const rest = repaired.map((one) =>
      sign(one.what, `${one.evidence}; the signature does not fit all the same`, one.next),
    )
    const names = came.map(([name]) => name.toLowerCase()).join(', ') || 'none'
    const evidence =
      refused === 'missing-header'
        ? `${header} is missing or empty; these came: ${names}`
        : `${header} is not in the form this source sends; its value has ${request.headers.get(header)?.length ?? 0} characters`
    return [
      ...rest,
      sign(
        refused === 'missing-header' ? 'header-missing' : 'header-malformed',
        evidence,
        `compare with ${source.docs}`,
      ),
    ]
  }

  /** Causes of a wrong signature: one that alone explains it, else two that do together. */
  #signature(): readonly Finding[] {
    const { source, settings, request } = this.#case
    const requests = [...bodySuspicions(request), ...urlSuspicions(request)]
    const secrets = this.#ofSecrets()
    const other = (source.variants?.(request, settings) ?? []).map(({ says, settings: changed }) => ({
      what: 'settings-differ',
      evidence: `it is signed ${says}`,
      next: 'change the channel: gatehouse channel update --setting',
      settings: changed,
    }))
    const signs = signsOf(this.#case)
    const alone = this.#causes([...requests, ...secrets, ...other])
    if (alone.length > 0) return plainest(alone)
    const together = this.#together(secrets, requests)
    return together.length > 0 ? together : [...signs, this.#wrongSecret()]
  }

  #ofSecrets(): readonly Suspicion[] {
    const { source, secrets } = this.#case
    return secrets.flatMap(({ value }) => secretSuspicions(value, source))
  }

  #causes(suspicions: readonly Suspicion[]): readonly Finding[] {
    const found = new Map<string, number>()
    return suspicions.flatMap((one) => {
      const alike = found.get(one.what) ?? 0
      if (alike >= ALIKE_CAP || !this.#proves(one)) return []
      found.set(one.what, alike + 1)
      return [{ what: one.what, weight: 'cause' as const, evidence: one.evidence, next: one.next }]
    })
  }

  #together(secrets: readonly Suspicion[], requests: readonly Suspicion[]): readonly Finding[] {
    for (const secret of secrets) {
      for (const request of requests.slice(0, PAIRED_CAP)) {
        if (!this.#proves({ ...secret, ...request })) continue
        return [secret, request].map(({ what, evidence, next }) => ({ what, weight: 'part', evidence, next }))
      }
    }
    return []
  }

  #wrongSecret(): Finding {
    const { source, secrets } = this.#case
    const sizes = secrets.map(({ value }) => value.length).join(' and ')
    return sign(
      'wrong-secret',
      `the signature fits none of ${this.#tried} ways of writing body, address and secret; the secret given has ${sizes} characters`,
      `compare the secret: ${source.credential.hint} If it is the right one, the body was changed beyond re-writing: record its raw bytes`,
    )
  }

  /** Whether it passes with this changed, at the time it was signed. The same bytes under the same key count once. */
  #proves(one: Omit<Suspicion, 'what' | 'evidence' | 'next'>): boolean {
    const { source, now } = this.#case
    const request = one.request ?? this.#case.request
    const settings = one.settings ?? this.#case.settings
    const claim = attempt(() => source.claim(request, settings))
    if (claim === undefined || 'refused' in claim) return false
    const name = [
      signedDigest(claim.signed).toString('hex'),
      one.secret,
      one.keyBytes?.toString('hex'),
      one.role,
      JSON.stringify(settings),
    ]
    if (this.#seen.has(name.join('\n'))) return false
    this.#seen.add(name.join('\n'))
    this.#tried++
    const credentials = this.#credentials(one, claim, settings)
    const at = claim.validity?.until ?? claim.sentAt ?? now
    return VerifiedDelivery.verify({ source, settings, credentials }, request, at) instanceof VerifiedDelivery
  }

  #credentials(
    { secret, keyBytes, role, settings: changed }: Partial<Suspicion>,
    claim: Claim,
    settings: unknown,
  ): readonly LiveCredential[] {
    const { source, secrets, credentials } = this.#case
    if (keyBytes !== undefined) {
      const algorithms = [...new Set(claim.signatures.map(({ algorithm }) => algorithm))]
      return algorithms.flatMap((algorithm) =>
        algorithm.startsWith('hmac-') ? [{ id: '', key: macKey(algorithm as 'hmac-sha256', keyBytes) }] : [],
      )
    }
    if (secret === undefined && role === undefined && changed === undefined) return credentials
    const texts = secret === undefined ? secrets : [{ value: secret, role: '' }]
    return keysOf(source, settings, role === undefined ? texts : texts.map(({ value }) => ({ value, role })))
  }

  #ended(verdict: Explanation['verdict'], step: string | null, findings: readonly Finding[]): Explanation {
    return { source: this.#case.source.name, verdict, step, findings, tried: this.#tried }
  }
}

/** A secret that fits respelled fits by its bytes too; one of the two is enough. */
function plainest(causes: readonly Finding[]): readonly Finding[] {
  const isRespelled = causes.some(({ what }) => what.startsWith('secret-') && what !== 'secret-encoding')
  return isRespelled ? causes.filter(({ what }) => what !== 'secret-encoding') : causes
}

/** Where each refusal stands among the steps; what is not here is refused with its header. */
const STEPS: Readonly<Record<string, string>> = {
  timestamp: 'timestamp',
  signature: 'signature',
  'no-credential': 'credential',
  'decider-failed': 'signature',
}

const NO_SECRET = sign(
  'secret-missing',
  'no secret was given',
  'give it with --value-file, or as secret in the record',
)
const FAILED = sign(
  'proof-failed',
  'reading it failed, which counts as a refusal',
  'keep the record and report it',
)

function stopped(
  source: Source | null,
  step: string,
  what: string,
  evidence: string,
  next: string,
): Explanation {
  return {
    source: source?.name ?? null,
    verdict: 'reject',
    step,
    findings: [sign(what, evidence, next)],
    tried: 0,
  }
}

/** Keys of the texts that are keys; the others are told apart by `#unusable`. */
function keysOf(source: Source, settings: unknown, secrets: readonly GivenSecret[]): LiveCredential[] {
  return secrets.flatMap(({ value, role }, i) => {
    const key = attempt(() => source.key(value, settings, role))
    return key === undefined ? [] : [{ id: String(i), key }]
  })
}

function unusableBecause(
  source: Source,
  settings: unknown,
  { value, role }: GivenSecret,
): string | undefined {
  try {
    const key = source.key(value, settings, role)
    return isMacKey(key) && value.trim() === '' ? 'the secret is blank' : undefined
  } catch (error) {
    // A source's RangeError never holds the text.
    return error instanceof RangeError ? error.message : 'no key can be made of it'
  }
}

function headersOf(recorded: Recorded): HeaderList {
  const list: unknown = recorded['headerList']
  if (!Array.isArray(list)) return Object.entries(recorded.headers)
  return list.flatMap((pair): [string, string][] =>
    Array.isArray(pair) && typeof pair[0] === 'string' && typeof pair[1] === 'string'
      ? [[pair[0], pair[1]]]
      : [],
  )
}

/** As the listener reads them: a header that came twice counts as not sent. */
function once(came: HeaderList): Record<string, string> {
  const names = Map.groupBy(came, ([name]) => name.toLowerCase())
  return Object.fromEntries(
    [...names].flatMap(([name, [first, ...more]]) =>
      first === undefined || more.length > 0 ? [] : [[name, first[1]]],
    ),
  )
}

function issuesOf(
  issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[],
): string {
  return issues.map(({ path, message }) => `${path.join('.') || 'it'}: ${message}`).join('; ')
}

/** The result, or undefined when it threw: here a source that throws has refused. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
