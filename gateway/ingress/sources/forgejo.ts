/**
 * Forgejo: what `gitea.ts` does, under `x-forgejo-…`. In: requests signed with the hook's secret over the body. Out:
 * claims and facts. Refuses what `gitea.ts` refuses; the `x-gitea-…`, `x-gogs-…` and `x-hub-…` headers that Forgejo
 * sends along for others are never looked at.
 * https://forgejo.org/docs/latest/user/webhooks/
 */
import { forge } from './gitea.ts'

export const forgejo = forge('forgejo', 'Forgejo')
