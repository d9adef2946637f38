/**
 * The bench's end of the load process. In: what to sign and which runs to make. Out: what the process measured. Refuses, by
 * throwing, when the process dies.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { DeliveriesWanted } from './deliveries.ts'
import type { Loaded, Order, Run } from './load.ts'

export class Generator {
  readonly #child: ChildProcess

  constructor() {
    this.#child = fork(fileURLToPath(new URL('load.ts', import.meta.url)), { execArgv: [] })
  }

  async sign(wanted: DeliveriesWanted): Promise<void> {
    await this.#ask({ sign: wanted })
  }

  async run(run: Run): Promise<Loaded> {
    // A boundary: the load process answers a run with what it measured.
    return (await this.#ask({ run })) as Loaded
  }

  stop(): void {
    this.#child.removeAllListeners('exit')
    this.#child.kill('SIGTERM')
  }

  #ask(order: Order): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const died = (): void => reject(new Error('make load: the load process ended'))
      this.#child.once('exit', died)
      this.#child.once('message', (answer) => {
        this.#child.off('exit', died)
        resolve(answer)
      })
      this.#child.send(order)
    })
  }
}
