// An app that nothing can call: it asks. TOKEN is what `gatehouse subscription create --pull` printed once.
const { GATE = 'http://127.0.0.1:8081', TOKEN } = process.env
const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
const done = new Set() // yours is a table: what was done once must not be done again

async function ask(what, body) {
  const answer = await fetch(`${GATE}/v1/pull/${what}`, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
  })
  if (!answer.ok) throw new Error(`${what}: status ${answer.status}`)
  return await answer.json()
}

for (;;) {
  try {
    const { items } = await ask('lease', { max: 10, waitSeconds: 25 })
    for (const { envelope } of items) {
      if (!done.has(envelope.id)) console.log(envelope.id, envelope.kind, envelope.text)
      done.add(envelope.id)
    }
    if (items.length > 0) await ask('ack', { leases: items.map(({ lease }) => lease) })
  } catch (error) {
    console.error(String(error)) // what was leased and not acknowledged comes again in half a minute
    await new Promise((resolve) => setTimeout(resolve, 1000))
  }
}
