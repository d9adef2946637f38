import assert from 'node:assert/strict'
import { test } from 'node:test'
import { golden } from '../test/support/golden.ts'
import { optionsOf } from './command.ts'
import { helpPage, SCREEN } from './help.ts'
import { nearest } from './parse.ts'
import { referencePage } from './reference.ts'
import { TABLE } from './table.ts'

const NOUNS = new Set(TABLE.map((command) => command.name.split(' ')[0] ?? ''))

test('every help page fits one screen and ends in a worked example', () => {
  for (const about of ['', ...NOUNS, ...TABLE.map((command) => command.name)]) {
    const lines = helpPage(about, TABLE).split('\n')
    assert.ok(lines.length < SCREEN.lines, `${about}: ${lines.length} lines, a prompt must fit below them`)
    const wide = lines.filter((line) => line.length > SCREEN.columns)
    assert.deepEqual(wide, [], about)
    const example = lines.indexOf('example:')
    assert.ok(example > 0 && lines.slice(example + 1).every((line) => line.startsWith('  ')), about)
  }
})

test('the table: names are a noun and a verb, each once; what is needed is in the example', () => {
  assert.equal(new Set(TABLE.map((command) => command.name)).size, TABLE.length)
  for (const command of TABLE) {
    assert.match(command.name, /^[a-z]+( [a-z]+)?$/)
    assert.match(command.summary, /^[A-Z].*[^.]$/)
    for (const [name, option] of Object.entries(optionsOf(command))) {
      if (option.needed) assert.ok(command.example.includes(`--${name} `), `${command.name} --${name}`)
    }
  }
})

test('no option takes a secret as its value', () => {
  for (const command of TABLE) {
    for (const name of Object.keys(optionsOf(command)))
      assert.doesNotMatch(name, /^(secret|token|password|value|key)$/)
  }
})

test('nearest() suggests what was meant and nothing far-fetched', () => {
  assert.equal(nearest('chanel', ['channel', 'claim']), 'channel')
  assert.equal(nearest('x', ['channel', 'up']), undefined)
})

test('docs/guide/cli.md is what the table says', () => {
  golden('docs/guide/cli.md', referencePage(TABLE))
})
