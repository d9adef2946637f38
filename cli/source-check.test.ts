import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { linesOf } from './lines.ts'
import { gatehouse } from './spawned.fixture.ts'

const folder = await mkdtemp(join(tmpdir(), 'gatehouse-check-'))
after(() => rm(folder, { recursive: true, force: true }))

const NOW = 1_700_000_000

function slack(id: string, changes: object = {}): object {
  const body = '{"type":"event_callback"}'
  const signature = createHmac('sha256', 'a secret').update(`v0:${NOW}:${body}`).digest('hex')
  const headers = {
    'content-type': 'application/json',
    'x-slack-request-timestamp': String(NOW),
    'x-slack-signature': `v0=${signature}`,
  }
  return {
    id,
    provider: 'slack',
    scheme: 'slack-v0',
    secret: 'a secret',
    method: 'POST',
    headers,
    body,
    now: NOW,
    ...changes,
  }
}

const RECORDS = [
  slack('genuine'),
  slack('rotated', { secret: ['another', 'a secret'] }),
  slack('forged', { secret: 'another' }),
  slack('altered', { body: '{"type":"event_callback" }' }),
  slack('late', { now: NOW + 301 }),
  slack('bare', { headers: {} }),
].map((record) => JSON.stringify(record))

const EXPECTED = [
  { id: 'genuine', verdict: 'accept', reason: 'proved' },
  { id: 'rotated', verdict: 'accept', reason: 'proved' },
  { id: 'forged', verdict: 'reject', reason: 'signature' },
  { id: 'altered', verdict: 'reject', reason: 'signature' },
  { id: 'late', verdict: 'reject', reason: 'timestamp' },
  { id: 'bare', verdict: 'reject', reason: 'missing-header' },
]

const BAD = { id: null, verdict: 'reject', reason: 'bad-record' }

test('source check: a verdict a line, in order, refusals being answers too', async () => {
  const { exit, stdout, stderr } = await gatehouse(['source', 'check', '--jsonl'], {
    stdin: RECORDS.join('\n'),
  })
  assert.equal(exit, 0)
  assert.equal(stderr, '')
  assert.deepEqual(verdicts(stdout), EXPECTED)
})

test('source check: a file and - read the same', async () => {
  await writeFile(join(folder, 'records.jsonl'), `${RECORDS.join('\r\n')}\r\n`)
  const named = await gatehouse(['source', 'check', '--jsonl', 'records.jsonl'], { cwd: folder })
  const piped = await gatehouse(['source', 'check', '-', '--jsonl'], { stdin: RECORDS.join('\n') })
  assert.deepEqual(verdicts(named.stdout), EXPECTED)
  assert.equal(piped.stdout, named.stdout)
})

test('source check: a line that is no record is refused where it stands', async () => {
  const stdin = ['not json', RECORDS[0], '"text"', '[]', 'null', RECORDS[2], '{"id":"torn'].join('\n')
  const { exit, stdout } = await gatehouse(['source', 'check', '--jsonl'], { stdin })
  assert.equal(exit, 0)
  assert.deepEqual(verdicts(stdout), [BAD, EXPECTED[0], BAD, BAD, BAD, EXPECTED[2], BAD])
})

test('source check: a file that is not there is refused, exit 1', async () => {
  const { exit, stdout, stderr } = await gatehouse(['source', 'check', '--jsonl', 'nothing.jsonl'], {
    cwd: folder,
  })
  assert.equal(exit, 1)
  assert.equal(stdout, '')
  assert.match(stderr, /^gatehouse: error: read .*nothing\.jsonl: ENOENT\n$/)
})

test('linesOf() splits at LF only, over chunks, and lets no line grow past the cap', async () => {
  const chunks = async function* () {
    for (const text of ['one\ntw', 'o\u2028still two\n', 'far too ', 'long a line\n\nlast'])
      yield Buffer.from(text)
  }
  const lines: (string | undefined)[] = []
  for await (const line of linesOf(chunks(), 16)) lines.push(line?.toString())
  assert.deepEqual(lines, ['one', 'two\u2028still two', undefined, '', 'last'])
})

function verdicts(stdout: string): unknown[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line): unknown => JSON.parse(line))
}
