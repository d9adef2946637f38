/**
 * Runs once before a whole `npm test` (`--test-global-setup`). In: the environment. Out: one PostgreSQL for every test
 * process, so that a server from npm starts once and not per file. Refuses nothing: without one, suites say so themselves.
 */
import { testServer } from './postgres.ts'
import { testRedis } from './redis.ts'

export async function globalSetup(): Promise<void> {
  const [database, redis] = await Promise.allSettled([testServer(), testRedis()])
  if (database.status === 'fulfilled') process.env['GATEHOUSE_TEST_DATABASE_URL'] = database.value
  if (redis.status === 'fulfilled') process.env['GATEHOUSE_TEST_REDIS_URL'] = redis.value.url
  process.env['GATEHOUSE_TEST_QUIET'] = '1'
}
