/**
 * Samples of chat platforms. In: nothing. Out: by source, small events with the fields that their vendors document.
 * Refuses nothing; ids are made up.
 */
import type { Json } from '@gatehouse/proof/canonical.ts'
import type { Sample, Samples } from './sample.ts'

const slackHeaders = { 'x-slack-request-timestamp': '{time}', 'x-slack-signature': 'v0={mac:hex}' }
const pumbleHeaders = { 'x-pumble-request-timestamp': '{ms}', 'x-pumble-request-signature': '{mac:hex}' }
const TEAM = 'T0SAMPLE1'

const slack: readonly Sample[] = [
  {
    event: 'message',
    workspace: TEAM,
    headers: slackHeaders,
    json: {
      type: 'event_callback',
      team_id: '{workspace}',
      api_app_id: 'A0SAMPLE1',
      event_id: 'Ev{id}',
      event_time: '{time}',
      event: {
        type: 'message',
        channel: 'C0SAMPLE1',
        user: 'U0SAMPLE1',
        text: 'hello from a sample',
        ts: '{time}.000100',
      },
    },
  },
  {
    event: 'command',
    workspace: TEAM,
    headers: slackHeaders,
    form: {
      team_id: '{workspace}',
      team_domain: 'sample',
      channel_id: 'C0SAMPLE1',
      channel_name: 'general',
      user_id: 'U0SAMPLE1',
      user_name: 'sample',
      command: '/sample',
      text: 'hello',
      trigger_id: '{number}.{number}.{id}',
    },
  },
  {
    event: 'interaction',
    workspace: TEAM,
    headers: slackHeaders,
    form: {
      payload: {
        '{text}': {
          type: 'block_actions',
          team: { id: '{workspace}' },
          user: { id: 'U0SAMPLE1', username: 'sample' },
          channel: { id: 'C0SAMPLE1' },
          trigger_id: '{id}.{number}',
          actions: [{ action_id: 'approve', type: 'button', value: 'yes' }],
        },
      },
    },
  },
]

const pumble: readonly Sample[] = [
  {
    event: 'message',
    workspace: 'wsample1',
    headers: pumbleHeaders,
    json: {
      messageType: 'PUMBLE_EVENT',
      eventType: 'NEW_MESSAGE',
      workspaceId: '{workspace}',
      body: {
        '{text}': {
          mId: '{id}',
          wId: '{workspace}',
          cId: 'csample1',
          aId: 'usample1',
          tx: 'hello from a sample',
        },
      },
    },
  },
  {
    event: 'command',
    workspace: 'wsample1',
    headers: pumbleHeaders,
    json: {
      messageType: 'SLASH_COMMAND',
      workspaceId: '{workspace}',
      userId: 'usample1',
      channelId: 'csample1',
      slashCommand: '/sample',
      text: 'hello',
      triggerId: '{id}',
    },
  },
]

const telegram: readonly Sample[] = [
  {
    event: 'message',
    headers: { 'x-telegram-bot-api-secret-token': '{secret}' },
    json: {
      update_id: '{number}',
      message: {
        message_id: '{number}',
        date: '{time}',
        from: { id: 1000001, is_bot: false, first_name: 'Sample', language_code: 'en' },
        chat: { id: 1000001, type: 'private', first_name: 'Sample' },
        text: 'hello from a sample',
      },
    },
  },
]

const telegramInitData: readonly Sample[] = [
  {
    event: 'init-data',
    headers: {},
    form: {
      query_id: 'AA{id}',
      user: { '{text}': { id: 1000001, first_name: 'Sample', language_code: 'en' } },
      auth_date: '{time}',
      hash: '{mac:hex}',
    },
  },
]

const line: readonly Sample[] = [
  {
    event: 'message',
    workspace: 'U0123456789abcdef0123456789abcdef',
    headers: { 'x-line-signature': '{mac:base64}' },
    json: {
      destination: '{workspace}',
      events: [
        {
          type: 'message',
          mode: 'active',
          timestamp: '{ms}',
          webhookEventId: '{id}',
          deliveryContext: { isRedelivery: false },
          source: { type: 'user', userId: 'U89abcdef0123456789abcdef01234567' },
          message: { id: '{number}', type: 'text', text: 'hello from a sample' },
        },
      ],
    },
  },
]

const viber: readonly Sample[] = [
  {
    event: 'message',
    headers: { 'x-viber-content-signature': '{mac:hex}' },
    json: {
      event: 'message',
      timestamp: '{ms}',
      message_token: '{number}',
      sender: { id: 'c2FtcGxlMDE=', name: 'Sample', language: 'en' },
      message: { type: 'text', text: 'hello from a sample' },
    },
  },
]

const x: readonly Sample[] = [
  {
    event: 'direct_message_events',
    workspace: '1000001',
    headers: { 'x-twitter-webhooks-signature': 'sha256={mac:base64}' },
    json: {
      for_user_id: '{workspace}',
      direct_message_events: [
        {
          type: 'message_create',
          id: '{number}',
          created_timestamp: '{ms}',
          message_create: { sender_id: '1000002', message_data: { text: 'hello from a sample' } },
        },
      ],
    },
  },
]

const zoom: readonly Sample[] = [
  {
    event: 'meeting.started',
    workspace: 'acct-sample-1',
    headers: { 'x-zm-request-timestamp': '{time}', 'x-zm-signature': 'v0={mac:hex}' },
    json: {
      event: 'meeting.started',
      event_ts: '{ms}',
      payload: { account_id: '{workspace}', object: { id: '{id}', topic: 'Sample', host_id: 'sample1' } },
    },
  },
]

const mattermost: readonly Sample[] = [
  {
    event: 'command',
    workspace: 'teamsample0000000000000001',
    headers: {},
    form: {
      token: '{secret}',
      team_id: '{workspace}',
      team_domain: 'sample',
      channel_id: 'chansample0000000000000001',
      channel_name: 'town-square',
      user_id: 'usersample0000000000000001',
      user_name: 'sample',
      command: '/sample',
      text: 'hello',
      trigger_id: '{id}',
    },
  },
]

const teamsOutgoing: readonly Sample[] = [
  {
    event: 'message',
    workspace: '00000000-0000-4000-8000-000000000001',
    headers: { authorization: 'HMAC {mac:base64}' },
    json: {
      type: 'message',
      id: '{number}',
      timestamp: '{iso}',
      locale: 'en-US',
      from: { id: '29:sample', name: 'Sample', aadObjectId: '00000000-0000-4000-8000-000000000002' },
      conversation: { id: '19:sample@thread.tacv2' },
      channelData: { tenant: { id: '{workspace}' } },
      text: '<at>bot</at> hello from a sample',
    },
  },
]

function meta(object: string, workspace: string, entry: Json): readonly Sample[] {
  const headers = { 'x-hub-signature-256': 'sha256={mac:hex}' }
  return [{ event: 'message', workspace, headers, json: { object, entry: [entry] } }]
}

const messaging: Json = {
  id: '{workspace}',
  time: '{ms}',
  messaging: [
    {
      sender: { id: '2000001' },
      recipient: { id: '{workspace}' },
      timestamp: '{ms}',
      message: { mid: 'm_{id}', text: 'hello from a sample' },
    },
  ],
}

const whatsappEntry: Json = {
  id: '{workspace}',
  changes: [
    {
      field: 'messages',
      value: {
        messaging_product: 'whatsapp',
        // Bound to both, a channel takes both; bound to one, the sample names that one twice.
        metadata: { display_phone_number: '15550000001', phone_number_id: '{workspace}' },
        contacts: [{ wa_id: '15550000002', profile: { name: 'Sample' } }],
        messages: [
          {
            from: '15550000002',
            id: 'wamid.{id}',
            timestamp: '{time}',
            type: 'text',
            text: { body: 'hello from a sample' },
          },
        ],
      },
    },
  ],
}

export const CHAT: Readonly<Record<string, Samples>> = {
  slack,
  pumble,
  telegram,
  'telegram-init-data': telegramInitData,
  line,
  viber,
  x,
  zoom,
  mattermost,
  'teams-outgoing': teamsOutgoing,
  whatsapp: meta('whatsapp_business_account', '3000001', whatsappEntry),
  messenger: meta('page', '3000002', messaging),
  instagram: meta('instagram', '3000003', messaging),
}
