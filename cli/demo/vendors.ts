/**
 * What three vendors send, and what those send who are not them. In: secrets, a clock. Out: requests ready for the
 * wire, each with what must become of it. Signs by hand, with nothing of the gate's, so that agreeing means something.
 */
import { createHmac } from 'node:crypto'

/** Seconds; twice the window that these vendors' signatures are good for. */
const STALE = 600
/** Bytes; the gate takes one mebibyte. */
const OVERSIZED = 1024 * 1024 + 1

export type Vendor = 'slack' | 'github' | 'pumble'

/** The workspace each channel of the demo is bound to. */
export const WORKSPACES: Readonly<Record<Vendor, string | undefined>> = {
  slack: 'T0DEMO',
  github: undefined,
  pumble: 'wdemo',
}

export interface Shot {
  readonly vendor: Vendor
  readonly what: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  readonly expect: { readonly status: number; readonly kept: string; readonly app: number }
}

type Secrets = Readonly<Record<Vendor, string>>

/** In the order they are sent. `now` is Unix milliseconds. */
export function shots(secrets: Secrets, now: number): Shot[] {
  return [
    ...slackShots(secrets.slack, now),
    ...githubShots(secrets.github),
    ...pumbleShots(secrets.pumble, now),
  ]
}

const TAKEN = { status: 200, kept: '', app: 1 }
/** What GitHub's own documentation answers. */
const TAKEN_LATER = { ...TAKEN, status: 202 }
const UNPROVED = { status: 401, kept: 'signature', app: 0 }
const TOO_OLD = { status: 401, kept: 'timestamp', app: 0 }
const TOO_LARGE = { status: 413, kept: 'too-large', app: 0 }
const ELSEWHERE = { status: 403, kept: 'other-workspace', app: 0 }

function slackShots(secret: string, now: number): Shot[] {
  const at = Math.floor(now / 1000)
  const body = slackBody('T0DEMO', 'Ev0DEMO1', 'the printer is on fire')
  const signed = slackHeaders(secret, at, body)
  const second = slackBody('T0DEMO', 'Ev0DEMO2', 'and now the curtains')
  const foreign = slackBody('T0OTHER', 'Ev0DEMO3', 'let me in')
  const large = Buffer.alloc(OVERSIZED, ' ')
  const slack = (what: string, headers: Shot['headers'], bytes: Buffer, expect: Shot['expect']): Shot => {
    return { vendor: 'slack', what, headers, body: bytes, expect }
  }
  return [
    slack('genuine', signed, body, TAKEN),
    slack('the same again', signed, body, TAKEN),
    slack('forged: signed with another secret', slackHeaders('not the secret', at, second), second, UNPROVED),
    slack('altered: one byte of the body changed', signed, altered(body), UNPROVED),
    slack(
      'stale: ten minutes old, rightly signed',
      slackHeaders(secret, at - STALE, second),
      second,
      TOO_OLD,
    ),
    slack('oversized: one byte over a mebibyte', slackHeaders(secret, at, large), large, TOO_LARGE),
    slack("another workspace's, rightly signed", slackHeaders(secret, at, foreign), foreign, ELSEWHERE),
  ]
}

function githubShots(secret: string): Shot[] {
  const body = githubBody(7, 'It works')
  const other = githubBody(8, 'Give me the keys')
  const github = (what: string, key: string, id: number, bytes: Buffer, expect: Shot['expect']): Shot => {
    return { vendor: 'github', what, headers: githubHeaders(key, id, bytes), body: bytes, expect }
  }
  return [
    github('genuine', secret, 1, body, TAKEN_LATER),
    // The id stands outside GitHub's signature: whoever saw one delivery can send it again under a fresh id.
    github('the same under a new delivery id', secret, 2, body, TAKEN_LATER),
    github('forged: signed with another secret', 'not the secret', 3, other, UNPROVED),
  ]
}

function pumbleShots(secret: string, now: number): Shot[] {
  const body = pumbleBody('wdemo', 'is anyone there?')
  const old = pumbleBody('wdemo', 'was anyone there?')
  const foreign = pumbleBody('wother', 'let me in')
  const pumble = (what: string, at: number, bytes: Buffer, expect: Shot['expect']): Shot => {
    return { vendor: 'pumble', what, headers: pumbleHeaders(secret, at, bytes), body: bytes, expect }
  }
  return [
    pumble('genuine', now, body, TAKEN),
    pumble('the same again', now, body, TAKEN),
    pumble('stale: ten minutes old, rightly signed', now - STALE * 1000, old, TOO_OLD),
    pumble("another workspace's, rightly signed", now, foreign, ELSEWHERE),
  ]
}

function slackBody(team: string, event: string, text: string): Buffer {
  return json({
    type: 'event_callback',
    team_id: team,
    api_app_id: 'A0DEMO',
    event_id: event,
    event: { type: 'message', user: 'U0DEMO', channel: 'C0DEMO', text, ts: '1700000000.000100' },
  })
}

function githubBody(number: number, title: string): Buffer {
  return json({ action: 'opened', issue: { number, title }, sender: { id: 1, login: 'octocat' } })
}

function pumbleBody(workspace: string, text: string): Buffer {
  const event = { mId: 'm1', wId: workspace, cId: 'c1', aId: 'u1', tx: text }
  return json({
    messageType: 'APP_EVENT',
    eventType: 'NEW_MESSAGE',
    workspaceId: workspace,
    body: JSON.stringify(event),
  })
}

function slackHeaders(secret: string, at: number, body: Buffer): Record<string, string> {
  const signature = hmac(secret, `v0:${at}:`, body)
  return { 'x-slack-request-timestamp': String(at), 'x-slack-signature': `v0=${signature}` }
}

function githubHeaders(secret: string, delivery: number, body: Buffer): Record<string, string> {
  const signature = hmac(secret, '', body)
  const id = `d0000000-0000-4000-8000-00000000000${delivery}`
  return { 'x-github-event': 'issues', 'x-github-delivery': id, 'x-hub-signature-256': `sha256=${signature}` }
}

function pumbleHeaders(secret: string, at: number, body: Buffer): Record<string, string> {
  return {
    'x-pumble-request-timestamp': String(at),
    'x-pumble-request-signature': hmac(secret, `${at}:`, body),
  }
}

function hmac(secret: string, before: string, body: Buffer): string {
  return createHmac('sha256', secret).update(before).update(body).digest('hex')
}

function altered(body: Buffer): Buffer {
  const copy = Buffer.from(body)
  copy.write('F', copy.indexOf('fire'))
  return copy
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}
