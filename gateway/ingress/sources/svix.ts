/**
 * Svix: Standard Webhooks under Svix's own header names. In: requests with `svix-id`, `svix-timestamp` and
 * `svix-signature`. Out: claims and facts. Refuses what `standard-webhooks.ts` refuses, and never looks at the
 * `webhook-…` headers in place of its own.
 * https://docs.svix.com/receiving/verifying-payloads/how-manual
 */
import { following } from './standard-webhooks.ts'

export const svix = following('svix', { name: 'svix', title: 'Svix', docs: 'docs/guide/sources/svix.md' })
