// Package prototree turns protobuf messages into trees of plain values and trees into messages.
//
// A dialect says how names, times, variants and secrets are spelled:
//
//	dialect       names        times               variants              secrets   used for
//	Management    JSON names   epoch milliseconds  type + configuration  masked    REST bodies, merge patches
//	Audit         JSON names   RFC 3339            type + configuration  masked    audit records, logs
//	Registration  field names  epoch seconds       –                     absent    client metadata (RFC 7591)
//	Document      JSON names   time.Time           name of the arm       sealed    the database
//	Archive       JSON names   RFC 3339            name of the arm       sealed    backups
//
// Reading is strict: a member that does not exist, a value of a wrong kind and an unknown word are refused with their
// full path. Only the registration dialect skips members it does not know (RFC 7591 §2).
//
// The messages say by their field marks (gatehouse/options/v1) how a member is to be treated; nothing here knows a
// particular message.
package prototree
