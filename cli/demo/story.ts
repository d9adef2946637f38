/**
 * How the demo is told. In: lines and audit events. Out: text for a terminal. Refuses nothing; a line that went
 * otherwise than it must is marked.
 */
import { rowsOf } from '../print.ts'

export interface Line {
  readonly source: string
  readonly sent: string
  readonly status: number
  /** The reason kept for operators; the caller was told the status and no more. */
  readonly kept: string
  /** How often this body is at the app by the end. */
  readonly reachedApp: number
  readonly asExpected: boolean
}

export interface AuditLine {
  readonly seq: number
  readonly at: string
  readonly action: string
  readonly actor: string
  readonly target: string
  readonly outcome: string
}

export interface Story {
  readonly lines: readonly Line[]
  readonly events: readonly AuditLine[]
  readonly asExpected: boolean
}

export function printStory(story: Story, seconds: number): string {
  return [
    rowsOf(
      ['source', 'what was sent', 'answer', 'kept for operators', 'app has it'],
      story.lines.map(cellsOf),
    ),
    '',
    'The audit log of this tenant, each entry chained to the one before it:',
    '',
    rowsOf(['seq', 'at', 'action', 'outcome', 'actor', 'target'], story.events.map(eventCells)),
    '',
    story.asExpected
      ? `All as it must be, in ${seconds} s. Nothing is left behind.`
      : `Not as it must be: see the lines marked "!". ${seconds} s. Nothing is left behind.`,
  ].join('\n')
}

function cellsOf(line: Line): string[] {
  const mark = line.asExpected ? '' : ' !'
  return [line.source, line.sent, `${line.status}${mark}`, line.kept || '-', `${line.reachedApp}×`]
}

function eventCells({ seq, at, action, outcome, actor, target }: AuditLine): string[] {
  return [String(seq), at.slice(11, 19), action, outcome, actor, target]
}
