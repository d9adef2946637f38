#!/usr/bin/env node
/**
 * The `gatehouse` executable. In: a command line, on any Node from 20. Out: what `main.ts` answers, on the pinned Node,
 * after installing what is missing. Refuses as `main.ts` does. npm links only files inside a package, so it lives here.
 */
import { fileURLToPath } from 'node:url'
import { prepare, runNode } from '../bin/runtime.mjs'

await prepare()
process.exitCode = await runNode([
  fileURLToPath(new URL('main.ts', import.meta.url)),
  ...process.argv.slice(2),
])
