/**
 * Builds the packages that others may install. In: a folder. Out: in it `proof` and `contract` as plain JavaScript with
 * types, each ready for `npm publish`, and a tarball of each. Refuses to build what does not type-check.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const CACHE = join(ROOT, 'node_modules/.cache/gatehouse-pack')
const PACKAGES = ['proof', 'contract']

/** @param {string} out an absolute folder; made when missing */
export function pack(out) {
  mkdirSync(out, { recursive: true })
  return PACKAGES.map((name) => {
    const folder = join(out, name)
    rmSync(folder, { recursive: true, force: true })
    emit(name, folder)
    writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest(name), null, 2)}\n`)
    cpSync(join(ROOT, 'LICENSE'), join(folder, 'LICENSE'))
    const npm = ['pack', '--silent', '--offline', '--pack-destination', out]
    const file = run(process.platform === 'win32' ? 'npm.cmd' : 'npm', npm, folder)
    return { name, folder, tarball: join(out, file.trim()) }
  })
}

/** TypeScript's own emit; `./a.ts` in an import becomes `./a.js`. */
function emit(name, folder) {
  const config = join(CACHE, `${name}-${process.pid}.json`)
  const from = relative(CACHE, join(ROOT, name))
  const options = {
    extends: relative(CACHE, join(ROOT, 'tsconfig.json')),
    compilerOptions: {
      noEmit: false,
      declaration: true,
      rewriteRelativeImportExtensions: true,
      rootDir: from,
      outDir: folder,
    },
    include: [from],
    exclude: [`${from}/**/*.test.ts`, `${from}/**/*.fixture.ts`],
  }
  mkdirSync(CACHE, { recursive: true })
  writeFileSync(config, JSON.stringify(options))
  try {
    run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', config], ROOT)
  } finally {
    rmSync(config, { force: true })
  }
}

/** Each module under its own name, with and without the ending that the sources use. */
function manifest(name) {
  const {
    private: _,
    exports: __,
    ...own
  } = JSON.parse(readFileSync(join(ROOT, name, 'package.json'), 'utf8'))
  const module_ = { types: './*.d.ts', default: './*.js' }
  return {
    ...own,
    exports: { './*.ts': module_, './package.json': './package.json', './*': module_ },
    files: ['*.js', '*.d.ts'],
    engines: { node: '>=24' },
  }
}

function run(program, args, cwd) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, encoding: 'utf8' })
  if (status === 0) return stdout
  throw new Error(
    `pack: ${program} ${args[0]} failed:\n${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}`,
  )
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const out = resolve(process.argv[2] ?? join(ROOT, 'node_modules/.cache/gatehouse-packages'))
  for (const { tarball, folder } of pack(out))
    process.stdout.write(`${tarball}  ${readdirSync(folder).length} files\n`)
}
