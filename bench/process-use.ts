/**
 * What processes have used, from /proc. In: process ids. Out: CPU microseconds (user and system, all threads) and memory.
 * Refuses nothing: a process that is gone has used nothing more, and where there is no /proc all numbers are zero.
 */
import { readdirSync, readFileSync } from 'node:fs'

/** USER_HZ: Linux reports in hundredths of a second to every program, whatever the kernel ticks at. */
const TICK_MICROS = 10_000

export function cpuMicros(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + cpuOf(pid), 0)
}

function cpuOf(pid: number): number {
  const stat = text(`/proc/${pid}/stat`)
  // The name in parentheses may hold spaces; fields are counted after it: utime is the 12th, stime the 13th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * TICK_MICROS
}

/** The most memory that the process held at once, in MB. */
export function peakMegabytes(pid: number): number {
  const kilobytes = /^VmHWM:\s+(\d+) kB/m.exec(text(`/proc/${pid}/status`))?.[1]
  return Math.round(Number(kilobytes ?? 0) / 1_024)
}

/** PostgreSQL names a session's database in the title of its process. */
export function sessionsOf(database: string): number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && text(`/proc/${name}/cmdline`).includes(` ${database} `))
      .map(Number)
  } catch {
    return []
  }
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
