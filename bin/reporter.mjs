/**
 * What `npm test` prints where no one watches a terminal. In: the events of Node's test runner. Out: a line a file, every
 * failure and skip in full, and the runner's own closing lines last. Refuses nothing.
 */
import { relative } from 'node:path'
import { Readable } from 'node:stream'
import { spec } from 'node:test/reporters'

/** Passed tests are only counted; everything else is told as Node's own `spec` reporter tells it. */
// oxlint-disable-next-line import/no-default-export -- Node's test runner takes a reporter so.
export default async function* report(events) {
  const told = Readable.from(untold(events)).compose(new spec())
  for await (const text of told) yield text
}

async function* untold(events) {
  for await (const event of events) {
    if (event.type === 'test:summary' && event.data.file !== undefined) yield fileLine(event.data)
    else if (!isQuiet(event)) yield event
  }
}

function isQuiet({ type, data }) {
  if (type === 'test:start' || type === 'test:plan') return true
  return type === 'test:pass' && data.skip === undefined && data.todo === undefined
}

/** As a line of standard output, which `spec` passes on unchanged. */
function fileLine({ file, counts, duration_ms: duration, success }) {
  const mark = success ? '✔' : '✖'
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''
  const name = relative(process.cwd(), file)
  const message = `${mark} ${name} (${counts.tests} tests${skipped}, ${Math.round(duration)} ms)\n`
  return { type: 'test:stdout', data: { file, message } }
}
