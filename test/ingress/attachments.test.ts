/**
 * Files that Slack and Discord messages refer to, on their way to an app. In: messages with files, and with URLs that are
 * not the vendor's. Out: an envelope that lists them without saying where they are, and refusals to go elsewhere. Refuses a
 * gate that fetches anything by itself; no test here reaches a vendor.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ApiRefusal, Client } from '@gatehouse/contract/client.ts'
import { type House, openHouse, openLine, send } from '../support/ingress.ts'
import { vendor } from './vendors.ts'

let house: House
before(async () => (house = await openHouse({ engine: 'sqlite', file: '' })))
after(async () => await house.close())

const ELSEWHERE = 'https://169.254.169.254/latest/meta-data/'

/** The envelope of one delivery of `body`, as a pull subscription gets it. */
async function envelopeOf(source: 'slack' | 'discord', body: object) {
  const { admin, tenant } = house
  const from = vendor(source)
  const { id, path } = await openLine(house, source, from.secret)
  const app = await admin.createSubscription(tenant, { name: `app-${source}`, mode: 'pull', channels: [id] })
  const { status } = await send(house.gate.publicUrl + path, from.signs(JSON.stringify(body)))
  assert.ok(status < 300)
  const puller = new Client({ url: house.gate.adminUrl, token: app.token ?? '' })
  const { items } = await puller.pullLease({ max: 1, waitSeconds: 10 })
  const [leased] = items
  assert.ok(leased)
  return { puller, ...leased.envelope }
}

async function detail(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof ApiRefusal, String(error))
  return `${error.problem.status} ${error.problem.detail ?? ''}`.trim()
}

test('slack: files are listed without their URLs, and one from elsewhere is never fetched', async () => {
  const { id, tenant, attachments, puller, channel } = await envelopeOf('slack', {
    type: 'event_callback',
    team_id: 'T0ACME',
    event_id: 'EvFILES1',
    event: {
      type: 'message',
      text: 'see',
      files: [
        {
          id: 'F1',
          name: 'a.png',
          mimetype: 'image/png',
          size: 7,
          url_private: 'https://files.slack.com/a.png',
        },
        { id: 'F2', name: 'b.png', mimetype: 'image/png', size: 1, url_private: ELSEWHERE },
        { id: 'F3', name: 'drive', is_external: true, url_private: 'https://drive.example.com/x' },
        { id: 'F4', size: -1, url_private: 'https://files.slack.com/b' },
      ],
    },
  })
  const href = `/v1/tenants/${tenant}/deliveries/${id}/attachments`
  assert.deepEqual(attachments, [
    { id: 'F1', name: 'a.png', contentType: 'image/png', size: 7, href: `${href}/0` },
    { id: 'F2', name: 'b.png', contentType: 'image/png', size: 1, href: `${href}/1` },
  ])
  assert.match(
    await detail(puller.readDeliveryAttachment(tenant, id, 1)),
    /^409 .*host is not one of this vendor/,
  )
  assert.equal(await detail(puller.readDeliveryAttachment(tenant, id, 2)), '404')
  // The token opens files; it proves no request.
  const made = await house.admin.createCredential(tenant, channel, {
    role: 'download-token',
    value: 'xoxb-73914-kGq8Lw',
  })
  assert.equal(made.role, 'download-token')
})

test('discord: files of a command are listed', async () => {
  const url = 'https://cdn.discordapp.com/attachments/1/2/a.png?ex=1&is=2&hm=3'
  const { attachments } = await envelopeOf('discord', {
    id: '1',
    application_id: 'T0ACME',
    type: 2,
    token: 't',
    version: 1,
    data: {
      name: 'upload',
      resolved: {
        attachments: { '9': { id: '9', filename: 'a.png', content_type: 'image/png', size: 5, url } },
      },
    },
  })
  assert.deepEqual(
    attachments?.map(({ id, name, contentType, size }) => [id, name, contentType, size]),
    [['9', 'a.png', 'image/png', 5]],
  )
})
