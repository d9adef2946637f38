/**
 * One process that opens a store, for tests in which several do so at once. In: an engine as JSON argument. Out: the
 * number of migrations it finds, on stdout. Refuses what `openStore` refuses, with its code on stderr and exit code 1.
 */
import { StartRefused } from '../start-refused.ts'
import { openStore, type StoreOptions } from './open.ts'

try {
  // A boundary: the test that starts this wrote it.
  const store = await openStore(JSON.parse(process.argv[2] ?? '') as StoreOptions, Date.now)
  const rows = await store.read.selectFrom('gate').selectAll().execute()
  await store.close()
  process.stdout.write(String(rows.length))
} catch (error) {
  process.stderr.write(error instanceof StartRefused ? error.code : String(error))
  process.exitCode = 1
}
