/**
 * Which Node runs Gatehouse. In: a version such as `26.10.0`. Out: whether it will do, and what to say and do when not.
 * Refuses nothing itself. Plain JavaScript: it must load on the old Node that it turns away.
 */

/** First release where `node:sqlite` is a release candidate and TypeScript runs without flags. */
const WANTED = [24, 15]

/** @param {string} version @returns {boolean} */
export function suffices(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > WANTED[0] || (major === WANTED[0] && minor >= WANTED[1])
}

/** @param {string} version @returns {string} */
export function insufficient(version) {
  return (
    `gatehouse: error: start: this is Node ${version}, wanted ${WANTED.join('.')} or newer\n` +
    'gatehouse: hint: `npm start` and `npx gatehouse` bring their own on Linux x64 and arm64; elsewhere install Node 26\n'
  )
}
