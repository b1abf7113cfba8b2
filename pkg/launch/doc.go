// Package launch makes the addresses at which people open applications.
//
// A template is an http or https URL, or a path from the root of the gateway, with placeholders such as {{user.email}}. A
// value is encoded for the place where its placeholder stands, so that it can never change anything else of the URL: not the
// scheme, not where the host ends, not how many segments the path has, not the other members of a query. What has no safe
// form in its place, such as a name with a dot in a host, stops the launch instead.
//
//	place            an absent value        a value
//	host             stops the launch       one label of DNS, or stops the launch
//	path segment     stops the launch       percent-encoded; a segment that becomes . or .. stops the launch
//	query, fragment  is empty               percent-encoded
//
// The package performs no I/O. Management refuses templates with it, gateways render them.
package launch
