/**
 * What is odd about a request whose signature does not fit. In: a case. Out: signs, such as a body that is shorter than
 * its head said. Refuses to call any of them the cause: none was proved.
 */
import { type Case, type Finding, sign } from './finding.ts'
import { isSorted } from './json-text.ts'

const RAW = 'record the raw bytes before anything reads them'
/** U+FFFD in UTF-8: what decoding leaves where it lost a byte. */
const LOST = Buffer.from([0xef, 0xbf, 0xbd])

export function signsOf(given: Case): readonly Finding[] {
  return [...ofBody(given), ...ofAlgorithms(given)]
}

function ofBody({ request: { body, headers } }: Case): readonly Finding[] {
  const declared = Number(headers.get('content-length') ?? body.length)
  const signs: Finding[] = []
  if (declared !== body.length)
    signs.push(
      sign(
        'body-cut',
        `content-length says ${declared}, the body has ${body.length} bytes`,
        `the body was cut or changed: ${RAW}`,
      ),
    )
  else if (body.length === 0)
    signs.push(sign('body-empty', 'the body is empty', `something read it before: ${RAW}`))
  if (body.includes(LOST))
    signs.push(sign('body-decoded', 'the body holds U+FFFD: bytes were lost when it was read as text', RAW))
  if (headers.has('content-encoding'))
    signs.push(
      sign(
        'body-compressed',
        'the body is declared compressed',
        'pass it on as it came, neither packed nor unpacked',
      ),
    )
  if (isSorted(body))
    signs.push(
      sign(
        'body-sorted',
        'the names of the JSON object stand in alphabetical order',
        `if something sorts them, the sender's order is lost: ${RAW}`,
      ),
    )
  return signs
}

function ofAlgorithms({ source, request, settings, credentials }: Case): readonly Finding[] {
  const claim = source.claim(request, settings)
  if ('refused' in claim) return []
  const claimed = new Set(claim.signatures.map(({ algorithm }) => algorithm))
  if (claimed.size === 0)
    return [
      sign(
        'signature-missing',
        'no signature in it is of a version that counts',
        `compare with ${source.docs}`,
      ),
    ]
  const keys = new Set(credentials.map(({ key }) => key.algorithm))
  if (keys.size === 0 || [...keys].some((algorithm) => claimed.has(algorithm))) return []
  const evidence = `the request is signed with ${[...claimed].join(', ')}, the credential is for ${[...keys].join(', ')}`
  return [sign('secret-other-kind', evidence, `take ${source.credential.hint}`)]
}
