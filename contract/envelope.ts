/**
 * What an app receives: one shape for every vendor. In: a verified delivery's facts. Out: the envelope that push and
 * pull carry. Refuses, on the reading side, anything else (`strictObject`).
 */
import { z } from 'zod'

const party = z.strictObject({ id: z.string().min(1).max(256), name: z.string().max(256).optional() })

/** Longest text carried in the envelope, in UTF-16 units; the raw body always holds all of it. */
export const TEXT_CAP = 100_000

export const Envelope = z.strictObject({
  /** Version of this shape; additions keep it, changes raise it. */
  version: z.literal(1),
  /** Gatehouse's id of the delivery; the same on every try and replay. Ack by it, dedupe by it. */
  id: z.string(),
  tenant: z.string(),
  channel: z.string(),
  source: z.string(),
  /** The vendor's id of the delivery, when it has one. */
  deliveryId: z.string().max(512).optional(),
  /** `other` for kinds that this version does not know. */
  kind: z.string().min(1).max(64),
  event: z.string().max(256).optional(),
  workspace: z.string().max(256).optional(),
  actor: party.optional(),
  conversation: party.optional(),
  text: z.string().max(TEXT_CAP).optional(),
  locale: z.string().max(35).optional(),
  /** Files that the delivery refers to. `href` is a path on the admin listener, which fetches them from the vendor then. */
  attachments: z
    .array(
      z.strictObject({
        id: z.string().min(1).max(256),
        name: z.string().max(256).optional(),
        /** As the vendor declares it. */
        contentType: z.string().max(256).optional(),
        /** Bytes, as the vendor declares them. */
        size: z.int().min(0).optional(),
        href: z.string(),
      }),
    )
    .max(20)
    .optional(),
  /** RFC 3339, UTC. */
  receivedAt: z.iso.datetime(),
  /** The time the vendor signed, where it signs one. */
  signedAt: z.iso.datetime().optional(),
  /** True when an operator sent it again. */
  replay: z.boolean(),
  /** Which try this is, from 1. */
  attempt: z.int().min(1),
  /** The verified raw body. `href` is a path on the admin listener; `inline` is its text when push or pull was asked to carry it. */
  body: z.strictObject({
    href: z.string(),
    contentType: z.string().max(256).optional(),
    size: z.int().min(0),
    sha256: z.string().length(64),
    inline: z.string().optional(),
    inlineEncoding: z.enum(['utf8', 'base64']).optional(),
  }),
})

export type Envelope = z.infer<typeof Envelope>
