/**
 * Runs the app that may die. In: a file for what it got. Out: its URL, the same after each restart, what it got so far, and
 * ways to kill and restart it. Refuses to go on when it does not start.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { freePort } from '../support/free-port.ts'

const FIXTURE = fileURLToPath(new URL('receiver.fixture.ts', import.meta.url))

export class MortalApp {
  readonly url: string
  readonly #port: number
  readonly #file: string
  readonly #mood: string
  #child: ChildProcess | undefined

  private constructor(port: number, file: string, mood: string) {
    this.url = `http://127.0.0.1:${port}/hook`
    this.#port = port
    this.#file = file
    this.#mood = mood
  }

  static async start(file: string, mood: 'answer' | 'hang' = 'answer'): Promise<MortalApp> {
    const app = new MortalApp(await freePort(), file, mood)
    await app.restart()
    return app
  }

  /** Ids of deliveries in the order it got them, repeats and all. */
  got(): string[] {
    return existsSync(this.#file) ? readFileSync(this.#file, 'utf8').split('\n').slice(0, -1) : []
  }

  async restart(): Promise<void> {
    await this.kill()
    const child = spawn(process.execPath, [FIXTURE, String(this.#port), this.#file, this.#mood], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#child = child
    await Promise.race([
      once(child.stdout, 'data'),
      once(child, 'exit').then(() => Promise.reject(new Error('the app did not start'))),
    ])
  }

  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
}
