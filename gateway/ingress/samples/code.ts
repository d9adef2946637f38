/**
 * Samples of code hosts and of what watches over services. In: nothing. Out: by source, small events with the fields
 * that their vendors document. Refuses nothing; ids are made up.
 */
import type { Json } from '@gatehouse/proof/canonical.ts'
import type { Sample, Samples } from './sample.ts'

const SHA = '0123456789abcdef0123456789abcdef01234567'
const OWNER = 'sample-org'

/** A push as GitHub and those that follow it write one. */
const pushed: Json = {
  ref: 'refs/heads/main',
  before: '0'.repeat(40),
  after: SHA,
  repository: {
    id: 1000001,
    name: 'sample',
    full_name: '{workspace}/sample',
    owner: { id: 1000002, login: '{workspace}' },
  },
  pusher: { name: 'sample', email: 'sample@example.com' },
  sender: { id: 1000003, login: 'sample' },
  commits: [{ id: SHA, message: 'Sample {id}', timestamp: '{iso}' }],
}

const issue: Json = {
  action: 'opened',
  issue: { number: '{number}', title: 'A sample', body: 'Hello from a sample' },
  repository: {
    id: 1000001,
    name: 'sample',
    full_name: '{workspace}/sample',
    owner: { id: 1000002, login: '{workspace}' },
  },
  sender: { id: 1000003, login: 'sample' },
}

const githubHeaders = (event: string) => ({
  'x-github-event': event,
  'x-github-delivery': '{uuid}',
  'x-hub-signature-256': 'sha256={mac:hex}',
})

const github: readonly Sample[] = [
  { event: 'push', workspace: OWNER, headers: githubHeaders('push'), json: pushed },
  { event: 'issues', workspace: OWNER, headers: githubHeaders('issues'), json: issue },
]

function forge(name: string): readonly Sample[] {
  const headers = (event: string) => ({
    [`x-${name}-event`]: event,
    [`x-${name}-delivery`]: '{uuid}',
    [`x-${name}-signature`]: '{mac:hex}',
  })
  return [
    { event: 'push', workspace: OWNER, headers: headers('push'), json: pushed },
    { event: 'issues', workspace: OWNER, headers: headers('issues'), json: issue },
  ]
}

const gitlabPush: Omit<Sample, 'headers'> = {
  event: 'push',
  workspace: OWNER,
  json: {
    object_kind: 'push',
    event_name: 'push',
    ref: 'refs/heads/main',
    after: SHA,
    user_id: 1000003,
    user_username: 'sample',
    project_id: 1000001,
    project: { id: 1000001, name: 'sample', path_with_namespace: '{workspace}/sample' },
    commits: [{ id: SHA, message: 'Sample {id}', timestamp: '{iso}' }],
  },
}

/** By a token or signed, as the channel is set. */
function gitlab(settings: unknown): readonly Sample[] {
  const common = { 'x-gitlab-event': 'Push Hook', 'idempotency-key': '{uuid}' }
  const isSigned =
    typeof settings === 'object' && settings !== null && 'mode' in settings && settings.mode === 'signed'
  const proof = isSigned
    ? { 'webhook-id': '{id}', 'webhook-timestamp': '{time}', 'webhook-signature': 'v1,{mac:base64}' }
    : { 'x-gitlab-token': '{secret}' }
  return [{ ...gitlabPush, headers: { ...common, ...proof } }]
}

const bitbucket: readonly Sample[] = [
  {
    event: 'repo:push',
    workspace: OWNER,
    headers: {
      'x-event-key': 'repo:push',
      'x-request-uuid': '{uuid}',
      'x-hub-signature': 'sha256={mac:hex}',
    },
    json: {
      actor: { type: 'user', uuid: '{{uuid}}', display_name: 'Sample' },
      repository: {
        type: 'repository',
        uuid: '{10000000-0000-4000-8000-000000000001}',
        full_name: '{workspace}/sample',
        workspace: { slug: '{workspace}' },
      },
      push: {
        changes: [{ new: { type: 'branch', name: 'main', target: { hash: SHA, message: 'Sample {id}' } } }],
      },
    },
  },
]

const pagerduty: readonly Sample[] = [
  {
    event: 'incident.triggered',
    workspace: 'sample',
    headers: { 'x-pagerduty-signature': 'v1={mac:hex}' },
    json: {
      event: {
        id: '{id}',
        event_type: 'incident.triggered',
        resource_type: 'incident',
        occurred_at: '{iso}',
        agent: { id: 'PSAMPLE1', type: 'user_reference', summary: 'Sample' },
        data: {
          id: 'QSAMPLE1',
          type: 'incident',
          html_url: 'https://{workspace}.pagerduty.com/incidents/QSAMPLE1',
          title: 'A sample incident',
          status: 'triggered',
        },
      },
    },
  },
]

const linear: readonly Sample[] = [
  {
    event: 'Issue',
    workspace: '00000000-0000-4000-8000-000000000001',
    headers: { 'linear-delivery': '{uuid}', 'linear-event': 'Issue', 'linear-signature': '{mac:hex}' },
    json: {
      action: 'create',
      type: 'Issue',
      createdAt: '{iso}',
      organizationId: '{workspace}',
      webhookTimestamp: '{ms}',
      webhookId: '00000000-0000-4000-8000-000000000002',
      data: { id: '{uuid}', title: 'A sample', team: { id: '00000000-0000-4000-8000-000000000003' } },
    },
  },
]

export const CODE: Readonly<Record<string, Samples>> = {
  github,
  gitlab,
  gitea: forge('gitea'),
  gogs: forge('gogs'),
  forgejo: forge('forgejo'),
  bitbucket,
  pagerduty,
  linear,
}
