// Package ticket makes and checks signed tickets: what a trusted server hands to an untrusted front, so that the front can
// draw for one user, once, with attributes that it cannot choose. The form is docs/tickets.md; why it is so, is
// docs/adr/0013-tickets-and-audience-rules.md.
//
// # Form
//
//	dt1.<key id, 16 hex>.<fields>.<HMAC-SHA-256, base64url>
//
// The fields are name=value pairs joined by "&", values percent-encoded where they must be. One pass reads them; nothing
// is allocated for a ticket. The signature is checked before anything of the fields is looked at, and it covers the form's
// version and the key's id too. A ticket names no algorithm: the version does.
//
// # Keys
//
// A key's secret is made from the cluster key, the namespace, the id and a salt (Derive), so it is stored nowhere: neither
// the log nor a backup can forge a ticket. The stored document holds id, salt, campaigns and expiry. Several keys are
// valid at once: rotation is adding one, moving the issuers, and deleting the old one.
//
// Threads: tickets and keys are values; a Ring may be used by any number of goroutines, which see one keyring until it is
// replaced as a whole. No I/O, no durability. Whether a ticket is in time is decided by the log, not here.
package ticket
