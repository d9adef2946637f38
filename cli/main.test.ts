import assert from 'node:assert/strict'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { gatehouse } from './spawned.fixture.ts'

const folder = await mkdtemp(join(tmpdir(), 'gatehouse-cli-'))
after(() => rm(folder, { recursive: true, force: true }))

/** Nobody listens on port 1 of loopback. */
const NOBODY = 'http://127.0.0.1:1'

test('help is an answer: on stdout, exit 0, nothing on stderr', async () => {
  for (const words of [
    [],
    ['--help'],
    ['help'],
    ['help', 'tenant'],
    ['tenant'],
    ['tenant', 'create', '-h'],
  ]) {
    const { exit, stdout, stderr } = await gatehouse(words)
    assert.equal(exit, 0, words.join(' '))
    assert.match(stdout, /\nexample:\n {2}\S/)
    assert.equal(stderr, '')
  }
})

test('version says what runs, and --version is the same', async () => {
  const plain = await gatehouse(['version'])
  assert.match(plain.stdout, /^gatehouse \d+\.\d+\.\d+, node \d+\.\d+\.\d+\n$/)
  assert.equal((await gatehouse(['--version'])).stdout, plain.stdout)
  assert.deepEqual(Object.keys(JSON.parse((await gatehouse(['version', '--json'])).stdout)), [
    'version',
    'node',
  ])
})

const WRONG: readonly [words: readonly string[], error: RegExp, hint: RegExp][] = [
  [['tenat', 'list'], /there is no command "tenat list"/, /did you mean gatehouse tenant list\?/],
  [['tenant', 'creat'], /there is no command "tenant creat"/, /gatehouse tenant create\?/],
  [['frobnicate'], /there is no command "frobnicate"/, /see gatehouse help/],
  [['tenant', 'create', '--nam', 'x'], /tenant create has no option --nam/, /did you mean --name\?/],
  [['tenant', 'create'], /tenant create needs --name/, /see gatehouse help tenant create/],
  [['credential', 'revoke'], /needs <credential> and --channel and --reason/, /help/],
  [['tenant', 'create', '--name'], /--name needs a value/, /help/],
  [['tenant', 'create', '--name', '--json'], /--name needs a value/, /help/],
  [['tenant', 'list', '--json=1'], /--json takes no value/, /help/],
  [['tenant', 'create', '--name', 'a', '--name', 'b'], /--name is given more than once/, /help/],
  [['tenant', 'list', '--url', 'ftp://x'], /not an http or https URL/, /such as/],
  [['tenant', 'list', '--limit', 'many'], /--limit takes a whole number/, /^$/],
  [['source', 'check'], /needs --jsonl/, /help/],
]

for (const [words, error, hint] of WRONG) {
  test(`usage: gatehouse ${words.join(' ')}`, async () => {
    const { exit, stdout, stderr } = await gatehouse(words, { env: { GATEHOUSE_TOKEN: 't' } })
    assert.equal(exit, 2, stderr)
    assert.equal(stdout, '')
    const [first = '', second = ''] = stderr.split('\n')
    assert.match(first, /^gatehouse: error: [^A-Z]/)
    assert.match(first, error)
    assert.match(second.replace(/^gatehouse: hint: /, ''), hint)
  })
}

test('a stray word is never repeated: it may be a secret', async () => {
  const { exit, stderr } = await gatehouse(['credential', 'create', 'hunter2hunter2', '--channel', 'c'])
  assert.equal(exit, 2)
  assert.doesNotMatch(stderr, /hunter2/)
})

test('a secret is never asked for where there is no terminal', async () => {
  const { exit, stderr } = await gatehouse(['credential', 'create', '--channel', 'c'])
  assert.equal(exit, 2)
  assert.match(stderr, /hint: give --value-file <path>, or - for stdin/)
})

test('no gate: exit 3, and what to do', async () => {
  for (const words of [['whoami'], ['claim', 'CODE'], ['tenant', 'create', '--name', 'x']]) {
    const { exit, stdout, stderr } = await gatehouse(words, { env: { GATEHOUSE_URL: NOBODY } })
    assert.equal(exit, 3, stderr)
    assert.equal(stdout, '')
    assert.match(stderr, /gatehouse: hint: run npm start first, or give --url/)
  }
})

test('stored tokens that others can read are not used', async () => {
  const path = join(folder, 'gatehouse', 'credentials.json')
  await (await import('./stored-token.ts')).storeToken({ XDG_CONFIG_HOME: folder }, NOBODY, 'token')
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  assert.equal((await stat(join(folder, 'gatehouse'))).mode & 0o777, 0o700)
  const env = { GATEHOUSE_URL: NOBODY, XDG_CONFIG_HOME: folder }
  assert.equal((await gatehouse(['whoami'], { env })).exit, 3)
  await (await import('node:fs/promises')).chmod(path, 0o644)
  const { exit, stderr } = await gatehouse(['whoami'], { env })
  assert.equal(exit, 1)
  assert.match(stderr, /others can read it, wanted 0600/)
})

test('config show: every setting with value, origin and reason, secrets sealed', async () => {
  const file = join(folder, 'database-url')
  await writeFile(file, 'postgres://gate:correct-horse-battery@127.0.0.1/gate\n', { mode: 0o600 })
  const env = { GATEHOUSE_LOG_LEVEL: 'warn', GATEHOUSE_DATABASE_URL_FILE: file }
  const { exit, stdout } = await gatehouse(['config', 'show', '--json'], { env, cwd: folder })
  assert.equal(exit, 0)
  const { items } = JSON.parse(stdout) as {
    items: { name: string; value: string; origin: string; reason: string }[]
  }
  const byName = new Map(items.map((item) => [item.name, item]))
  assert.equal(byName.get('logLevel')?.value, 'warn')
  assert.equal(byName.get('logLevel')?.origin, 'env')
  assert.equal(byName.get('databaseUrl')?.value, '[sealed]')
  assert.ok(items.every((item) => item.reason !== ''))
  const plain = await gatehouse(['config', 'show'], { env, cwd: folder })
  assert.match(plain.stdout, /^logLevel = warn {2}\[env\]$/m)
  assert.doesNotMatch(plain.stdout + stdout, /correct-horse/)
})

test('config show: all that is wrong at once, exit 1', async () => {
  const env = { GATEHOUSE_LOG_LEVEL: 'loud', GATEHOUSE_BODY_KAP: '1MiB' }
  const { exit, stdout, stderr } = await gatehouse(['config', 'show'], { env, cwd: folder })
  assert.equal(exit, 1)
  assert.equal(stdout, '')
  assert.equal(stderr.match(/^gatehouse: error: /gm)?.length, 2)
})

test('source list needs no gate', async () => {
  const { exit, stdout } = await gatehouse(['source', 'list', '--json'], { env: { GATEHOUSE_URL: NOBODY } })
  assert.equal(exit, 0)
  const { items } = JSON.parse(stdout) as { items: { name: string; signsTime: boolean }[] }
  assert.equal(items.find(({ name }) => name === 'slack')?.signsTime, true)
  assert.equal(items.find(({ name }) => name === 'github')?.signsTime, false)
})
