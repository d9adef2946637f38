/**
 * Reads a secret that must not stand on the command line. In: `--value-file`, stdin or a terminal. Out: its text, one
 * closing line break removed. Refuses an empty one, and asks nobody when there is no terminal to ask on.
 */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Readable } from 'node:stream'
import type { Io } from './io.ts'
import { refused, usage } from './trouble.ts'

/** Bytes; the longest secret a vendor gives is a few hundred, a certificate a few thousand. */
const SECRET_CAP = 64 * 1024

export const VALUE_FILE = {
  value: 'path',
  help: 'file that holds the secret, or - for stdin; asked for on a terminal',
} as const

/** The secret; from the terminal, under `question`, when no file is named. */
export async function readSecret(io: Io, file: string | undefined, question: string): Promise<string> {
  const text = file === undefined ? await ask(io, question) : await readWhole(io, file)
  const secret = text.replace(/\r?\n$/, '')
  if (secret === '') throw refused('read the secret: it is empty')
  return secret
}

async function readWhole(io: Io, file: string): Promise<string> {
  const bytes = file === '-' ? await drain(io.stdin) : await readNamed(resolve(io.cwd, file))
  if (bytes.length > SECRET_CAP)
    throw refused(`read the secret: ${bytes.length} bytes, at most ${SECRET_CAP}`)
  return bytes.toString('utf8')
}

async function readNamed(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (cause) {
    throw refused(`read ${path}: ${codeOf(cause)}`)
  }
}

async function drain(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of stream) {
    const bytes = Buffer.from(chunk)
    chunks.push(bytes)
    size += bytes.length
    if (size > SECRET_CAP) break
  }
  return Buffer.concat(chunks)
}

/** One line from the terminal, not echoed. */
async function ask(io: Io, question: string): Promise<string> {
  const { stdin } = io
  if (!stdin.isTTY || !stdin.setRawMode) {
    throw usage(
      'a secret is needed, and there is no terminal to ask on',
      'give --value-file <path>, or - for stdin',
    )
  }
  io.stderr.write(`${question}: `)
  stdin.setRawMode(true)
  try {
    return await readLine(stdin)
  } finally {
    stdin.setRawMode(false)
    stdin.pause()
    io.stderr.write('\n')
  }
}

function readLine(stdin: Readable): Promise<string> {
  const { promise, resolve: done, reject } = Promise.withResolvers<string>()
  let line = ''
  const onData = (chunk: Buffer): void => {
    for (const character of chunk.toString('utf8')) {
      if (character === '\r' || character === '\n' || character === '\u0004') return done(line)
      // Raw mode swallows the signal, so Ctrl-C comes as a character.
      if (character === '\u0003') return reject(refused('read the secret: interrupted'))
      line = character === '\u007f' || character === '\b' ? line.slice(0, -1) : line + character
    }
  }
  stdin.on('data', onData)
  return promise.finally(() => stdin.off('data', onData))
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : 'failed'
}
