/**
 * `npm run bench [ingress | ready] [options]`. In: how long to measure. Out: one table on stdout, progress on stderr. Refuses
 * unknown options with exit code 2, and ends with 1 when a server answered wrongly, so that no number stands on errors.
 */
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { ingress } from './ingress.ts'
import { ready } from './ready.ts'
import { ingressTable, readyTable } from './table.ts'

const USAGE = `npm run bench [ingress | ready] -- [options]

  --rounds N        rounds, interleaved over all servers (5)
  --seconds S       of each closed loop and each open loop in a round (4)
  --quick           2 rounds of 2 seconds, 3 starts
  --connections C   keep-alive connections of the closed loop (64)
  --rate R          requests a second of the open loop, 0 for none (1000)
  --starts N        starts for the time to ready (10)
  --only LETTERS    servers to measure, such as bc (abcde)
  --subscribed      an app subscribes to the channel, which adds its queue's row to each accept
  --profile FOLDER  the gates write a CPU profile of each thread there

Example: npm run bench ingress -- --only bcd --rounds 9
`

const OPTIONS = {
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  quick: { type: 'boolean', default: false },
  connections: { type: 'string', default: '64' },
  rate: { type: 'string', default: '1000' },
  starts: { type: 'string' },
  only: { type: 'string', default: 'abcde' },
  subscribed: { type: 'boolean', default: false },
  profile: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const

const LEGEND = [
  "Medians over rounds; ratios are medians of each round's own. Latencies in ms: closed loop, then open loop from the time each",
  "request was meant to leave. Only (c) and (d) remember and store what they acknowledge; (e) is ours, after the SDK's source.",
]

process.exitCode = await main()

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true, strict: true })
  const [what = 'all', ...more] = positionals
  if (values.help) return print(USAGE)
  if (more.length > 0 || !['all', 'ingress', 'ready'].includes(what)) return refuse()
  const say = (line: string): void => void process.stderr.write(`bench: ${line}\n`)
  print(`${machine()}\n\n`)
  let code = 0
  if (what !== 'ready') {
    const { measured, notes } = await ingress({
      rounds: count(values.rounds, values.quick ? 2 : 5),
      seconds: count(values.seconds, values.quick ? 2 : 4),
      connections: count(values.connections, 64),
      rate: count(values.rate, 1_000, 0),
      only: values.only,
      subscribed: values.subscribed,
      gateEnv: values.profile === undefined ? {} : profiling(values.profile),
      say,
    })
    const faults = measured.flatMap((one) => one.faults)
    print(`${[...ingressTable(measured), '', ...LEGEND, ...notes, ...faults].join('\n')}\n\n`)
    if (faults.length > 0) code = 1
  }
  if (what !== 'ingress')
    print(`${readyTable(await ready(count(values.starts, values.quick ? 3 : 10))).join('\n')}\n`)
  return code
}

function profiling(folder: string): Record<string, string> {
  return { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${folder}` }
}

function machine(): string {
  const [first] = cpus()
  return `Node ${process.versions.node} on ${cpus().length} × ${first?.model ?? 'unknown'}; the load generator runs on the same cores`
}

function count(text: string | undefined, usual: number, least = 1): number {
  const value = Number(text ?? usual)
  if (Number.isInteger(value) && value >= least) return value
  throw new RangeError(`read the options: ${text} is not a whole number from ${least}`)
}

function print(text: string): number {
  process.stdout.write(text)
  return 0
}

function refuse(): number {
  process.stderr.write(USAGE)
  return 2
}
