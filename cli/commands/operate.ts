/**
 * Verbs for whoever keeps a gate running. In: settings, a running gate. Out: what is wrong, what happens. Refuses what the
 * gate refuses.
 */
import type { Command } from '../command.ts'
import { doctor } from '../doctor.ts'
import { tail } from '../tail.ts'

export const operateCommands: readonly Command[] = [doctor, tail]
