// Package transfer takes a domain, or the whole installation, out as one archive (pkg/archive) and brings it in again.
//
//	POST …/domains/{domain}/_export           a domain
//	POST …/domains/_import                    a domain, with ?as= as a copy with identifiers of its own, with ?dryRun=true for show
//	POST /organizations/{organization}/_export and …/_import   operators and all domains
//
// An archive holds the configuration with its past dates and its identifiers, people with their passwords, who is in which group,
// links, consents, pictures, initial access tokens and fresh client secrets; that of an installation its operators, their roles,
// memberships and personal tokens as well. It does not hold sessions and tokens (they are in Redis), audit records and history,
// e-mails under way and links in them, and statistics.
//
// An export is written while it is read, from the image at one revision for the configuration and page by page for the rest.
//
// An import writes nothing that anybody could see before it has verified the last line. People and what belongs to them are written
// as they come, below a domain that does not exist; the configuration is kept in memory until then, as the image keeps it anyway,
// and of each person 16 bytes and what a map takes. Then what lies in the domain is stored, and in the end the domain. Whoever
// imports holds a lease on the domain. What fails is cleared away; what dies is cleared away by the sweep, or by whoever imports the
// domain again. A domain that is there is never changed.
package transfer
