/**
 * The size table of the house. In: the files of each workspace, tests left out. Out: lines a file and lines a function, at
 * the middle and at the ends. Refuses (exit code 1) a median, p90 or p99 above the budget in `shape.json`.
 *
 * Functions are counted by the linter, since TypeScript 7 has no API for it; arrows of one line are left out, because
 * counting them would flatter the median.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { globSync } from './glob.mjs'
import { ROOT } from './runtime.mjs'

const WORKSPACES = ['proof', 'contract', 'gateway', 'cli', 'bench', 'bin']
const BUDGET_FILE = join(ROOT, 'bin/shape.json')
/** Bytes of the linter's answer; about 350 a function. */
const ANSWER_CAP = 256 * 1024 * 1024
const COLUMNS = [
  'files',
  'file median',
  'file p90',
  'file max',
  'functions',
  'fn median',
  'fn p90',
  'fn p99',
  'fn max',
]

const rows = WORKSPACES.map((name) => ({ name, ...measure([name]) })).filter((row) => row.files > 0)
rows.push({ name: 'all', ...measure(WORKSPACES) })
print(rows)
if (process.argv.includes('--record')) record(rows.at(-1))
else process.exitCode = compare(rows.at(-1)) ? 0 : 1

function measure(workspaces) {
  const files = workspaces.flatMap((name) => sources(name))
  const lines = files.map((file) => readFileSync(file, 'utf8').trimEnd().split('\n').length)
  const functions = files.length === 0 ? [] : functionLines(files)
  return {
    files: lines.length,
    'file median': at(lines, 0.5),
    'file p90': at(lines, 0.9),
    'file max': at(lines, 1),
    functions: functions.length,
    'fn median': at(functions, 0.5),
    'fn p90': at(functions, 0.9),
    'fn p99': at(functions, 0.99),
    'fn max': at(functions, 1),
  }
}

function sources(workspace) {
  const folder = join(ROOT, workspace)
  return [...globSync(folder, '.ts'), ...globSync(folder, '.mjs')].filter(
    (file) => !file.endsWith('.test.ts'),
  )
}

/** A linter told to allow no line at all names every function and its length. */
function functionLines(files) {
  const args = [
    'node_modules/oxlint/bin/oxlint',
    '-c',
    'bin/shape.oxlintrc.json',
    '--disable-nested-config',
    '-f',
    'json',
  ]
  const answer = lint([...args, ...files.map((file) => relative(ROOT, file))])
  const lines = JSON.parse(answer).diagnostics.map(({ message }) => {
    const found = message.match(/too many lines \((\d+)\)/)
    if (found === null) throw new Error(`count functions: the linter said ${JSON.stringify(message)}`)
    return Number(found[1])
  })
  return lines.filter((count) => count > 1)
}

function lint(args) {
  try {
    return execFileSync(process.execPath, args, {
      cwd: ROOT,
      encoding: 'utf8',
      maxBuffer: ANSWER_CAP,
      stdio: 'pipe',
    })
  } catch (error) {
    // Findings are its purpose here, and they end it with code 1.
    if (error.status === 1 && error.stdout.startsWith('{')) return error.stdout
    throw error
  }
}

/** Nearest rank: a value that occurs. */
function at(values, share) {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
}

function print(table) {
  const widths = COLUMNS.map((column) => column.length + 2)
  const line = (name, cells) =>
    name.padEnd(10) + cells.map((cell, i) => String(cell).padStart(widths[i])).join('') + '\n'
  process.stdout.write(line('', COLUMNS))
  for (const row of table)
    process.stdout.write(
      line(
        row.name,
        COLUMNS.map((column) => row[column]),
      ),
    )
}

function budget() {
  return JSON.parse(readFileSync(BUDGET_FILE, 'utf8'))
}

function compare(all) {
  const over = Object.entries(budget()).filter(([name, most]) => all[name] > most)
  for (const [name, most] of over) {
    process.stderr.write(`gatehouse: error: shape: ${name} is ${all[name]} lines, wanted at most ${most}\n`)
  }
  return over.length === 0
}

/** Only ever down: a budget that is not used up is taken back, one that is overspent stays. */
function record(all) {
  const tighter = Object.fromEntries(
    Object.entries(budget()).map(([name, most]) => [name, Math.min(most, all[name])]),
  )
  writeFileSync(BUDGET_FILE, `${JSON.stringify(tighter, null, 2)}\n`)
}
