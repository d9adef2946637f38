/**
 * Import this first in every entry point. In: the running Node. Out: nothing. Refuses, with a sentence and exit code 1, to
 * go on under a Node that would fail later and less clearly.
 */
import { insufficient, suffices } from './version.mjs'

if (!suffices(process.versions.node)) {
  process.stderr.write(insufficient(process.versions.node))
  process.exit(1)
}
