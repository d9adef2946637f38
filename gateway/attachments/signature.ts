/**
 * What a file is by its first bytes, whatever it is called. In: bytes. Out: a family and a format, or `undefined` for bytes
 * that begin like nothing here. Refuses nothing. It knows the formats that chats show and the ones that machines run; it
 * is no virus scanner, and a file may be good in two formats at once.
 */

export type Family = 'executable' | 'markup' | 'image' | 'audio' | 'video' | 'document' | 'archive'

export interface Format {
  readonly family: Family
  readonly format: string
}

interface Signature extends Format {
  /** Hex, as it stands at `at`; `..` is any byte. */
  readonly bytes: string
  readonly at?: number
}

/** Bytes looked at for markup: white space, a mark and comments may stand before it. */
const MARKUP_WINDOW = 1_024
/**
 * What may stand before the element of a page or drawing. A comment ends at its first `-->` and nowhere else, or a row of
 * comments could be split in more ways than there is time to try.
 */
const MARKUP =
  /^\uFEFF?\s*(?:<!--(?:(?!-->)[\s\S])*-->\s*|<\?xml(?:(?!\?>)[\s\S])*\?>\s*)*<(?:!doctype\s+(?:html|svg)|html|head|body|script|svg|iframe|title|meta)\b/i

const SIGNATURES: readonly Signature[] = [
  { family: 'executable', format: 'ELF', bytes: '7f454c46' },
  { family: 'executable', format: 'PE', bytes: '4d5a' },
  { family: 'executable', format: 'Mach-O', bytes: 'feedface' },
  { family: 'executable', format: 'Mach-O', bytes: 'feedfacf' },
  { family: 'executable', format: 'Mach-O', bytes: 'cefaedfe' },
  { family: 'executable', format: 'Mach-O', bytes: 'cffaedfe' },
  // The same four bytes open a Java class and a Mach-O for several machines.
  { family: 'executable', format: 'Mach-O or Java class', bytes: 'cafebabe' },
  { family: 'executable', format: 'script', bytes: '2321' },
  { family: 'executable', format: 'Windows shortcut', bytes: '4c0000000114020000000000c000000000000046' },
  { family: 'executable', format: 'WebAssembly', bytes: '0061736d' },
  { family: 'executable', format: 'Dalvik', bytes: '6465780a' },
  { family: 'image', format: 'PNG', bytes: '89504e470d0a1a0a' },
  { family: 'image', format: 'JPEG', bytes: 'ffd8ff' },
  { family: 'image', format: 'GIF', bytes: '474946383761' },
  { family: 'image', format: 'GIF', bytes: '474946383961' },
  { family: 'image', format: 'WebP', bytes: '52494646........57454250' },
  { family: 'image', format: 'BMP', bytes: '424d........00000000' },
  { family: 'image', format: 'TIFF', bytes: '49492a00' },
  { family: 'image', format: 'TIFF', bytes: '4d4d002a' },
  { family: 'image', format: 'HEIF', bytes: '66747970686569', at: 4 },
  { family: 'image', format: 'HEIF', bytes: '667479706d696631', at: 4 },
  { family: 'image', format: 'AVIF', bytes: '6674797061766966', at: 4 },
  { family: 'audio', format: 'M4A', bytes: '667479704d3441', at: 4 },
  { family: 'audio', format: 'WAVE', bytes: '52494646........57415645' },
  { family: 'audio', format: 'MP3', bytes: '494433' },
  { family: 'audio', format: 'MPEG audio', bytes: 'fffb' },
  { family: 'audio', format: 'MPEG audio', bytes: 'fff3' },
  { family: 'audio', format: 'MPEG audio', bytes: 'fff2' },
  { family: 'audio', format: 'MPEG audio', bytes: 'fffa' },
  { family: 'audio', format: 'AAC', bytes: 'fff1' },
  { family: 'audio', format: 'AAC', bytes: 'fff9' },
  { family: 'audio', format: 'FLAC', bytes: '664c6143' },
  { family: 'audio', format: 'AMR', bytes: '2321414d52' },
  // Ogg, Matroska and MP4 hold sound, pictures or both.
  { family: 'video', format: 'Ogg', bytes: '4f676753' },
  { family: 'video', format: 'Matroska or WebM', bytes: '1a45dfa3' },
  { family: 'video', format: 'MP4', bytes: '66747970', at: 4 },
  { family: 'video', format: 'AVI', bytes: '52494646........41564920' },
  { family: 'document', format: 'PDF', bytes: '255044462d' },
  { family: 'document', format: 'OLE', bytes: 'd0cf11e0a1b11ae1' },
  { family: 'archive', format: 'ZIP', bytes: '504b0304' },
  { family: 'archive', format: 'gzip', bytes: '1f8b' },
  { family: 'archive', format: '7z', bytes: '377abcaf271c' },
  { family: 'archive', format: 'RAR', bytes: '526172211a07' },
]

/** `#!AMR` is speech, not a script: longer signatures count first. */
const BY_LENGTH = SIGNATURES.toSorted((a, b) => b.bytes.length - a.bytes.length)
const LONGEST = 64

export function formatOf(bytes: Buffer): Format | undefined {
  const head = bytes.subarray(0, LONGEST).toString('hex')
  const found = BY_LENGTH.find(({ bytes: wanted, at = 0 }) => matches(head.slice(at * 2), wanted))
  if (found !== undefined) return { family: found.family, format: found.format }
  return MARKUP.test(text(bytes)) ? { family: 'markup', format: 'HTML or SVG' } : undefined
}

function matches(head: string, wanted: string): boolean {
  return (
    head.length >= wanted.length && wanted.split('').every((digit, i) => digit === '.' || digit === head[i])
  )
}

/** UTF-16 with its mark is read as such: browsers do. */
function text(bytes: Buffer): string {
  const head = bytes.subarray(0, MARKUP_WINDOW)
  return head[0] === 0xff && head[1] === 0xfe ? head.toString('utf16le') : head.toString('utf8')
}
