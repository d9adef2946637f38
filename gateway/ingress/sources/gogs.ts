/**
 * Gogs: what `gitea.ts` does, under `x-gogs-…`. In: requests signed with the hook's secret over the body. Out: claims and
 * facts. Refuses what `gitea.ts` refuses, and never looks at headers of Gitea, Forgejo or GitHub in place of its own.
 * https://github.com/gogs/docs-api
 */
import { forge } from './gitea.ts'

export const gogs = forge('gogs', 'Gogs')
