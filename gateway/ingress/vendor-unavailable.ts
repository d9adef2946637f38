/**
 * What a vendor has and we need cannot be had now. In: what was tried. Out: an error that the receiver answers with 503, so
 * that the vendor repeats. Refuses nothing itself; its message names hosts and reasons, never what a sender wrote.
 */
export class VendorUnavailable extends Error {
  override readonly name = 'VendorUnavailable'
}
