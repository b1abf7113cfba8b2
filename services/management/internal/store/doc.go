// Package store keeps management's data in MongoDB: the resources, the log of their changes, the directory, operators
// and audit records. It is the only package that knows the driver.
//
// The database is asked for no more than single-document atomicity and unique indexes, so the same code runs on a
// standalone server, a replica set, a sharded cluster and the embedded database of the development binary.
//
// # Resources
//
// A kind has a collection, a resource a document in it: the message in the document dialect, under its own identifier.
// Members that begin with an underscore are the store's own:
//
//	_sort, _search    what lists are ordered and searched by
//	_unique_<name>    a value that no two documents may share
//	_set              written under a change set that is not cleared away yet
//	_before           with _set: the document before the change set
//	_gone             with _set: the resource is deleted
//
// # Changes
//
// The collection `changes` is a log of which resources changed: {_id: revision, keys, set, state, at}. Revisions are
// dense. A write announces the change as pending, writes, and settles it; see write.go. A follower reads the log in
// order and reads the named resources again; see follow.go. What changed, and who did it, stands in the records, which are
// written before the resources; see records.go and past.go. An entry never carries content, so reading twice is
// harmless.
//
// A change set names several resources under one revision. Its documents carry what was there before, so whoever finds
// that the writer died can put everything back; see set.go. Followers take all of a set, or none.
package store
