// Package scim reads the filters of SCIM (RFC 7644 §3.4.2.2) by which people are searched:
//
//	userName sw "an" and (enabled eq true or not (email co "@example.com"))
//
// Names of attributes and operators are read in any case. What is not understood is refused with its column. The package
// performs no I/O; the store turns a filter into a query.
package scim
