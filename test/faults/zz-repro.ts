import { Crash, seeded } from './crash.ts'
import { testDatabase } from '../support/postgres.ts'
for (let seed = 1; seed < 3; seed++) {
const db = await testDatabase()
const crash = await Crash.open({ engine: 'postgres', url: db.url }, seeded(seed * Number(process.argv[2])))
for (let i = 0; i < 12; i++) await crash.round()
const stuck = setTimeout(() => { console.log(seed, 'STUCK', db.url, crash.gateLog().slice(-3000)); process.exit(1) }, 70000)
await crash.settle({ shorten: false }).catch(e => console.log('ERR', e.message))
clearTimeout(stuck)
console.log(seed, JSON.stringify(crash.counts))
await crash.close(); await db.drop()
}
