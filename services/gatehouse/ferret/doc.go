// Package gatehouse runs FerretDB v1 on SQLite with lookups that use indexes.
//
// FerretDB's own backend hands SQLite one kind of filter only, a single `_id` that is a string or an ObjectID, and keeps
// its indexes on expressions that its queries do not contain. So it reads, decodes and compares every document of a
// collection for every query and every update. This package stands between FerretDB's handler and that backend: it
// makes indexes on the expressions that are asked for, and answers a query with the documents that an index
// finds. FerretDB still compares each of them with the whole filter, therefore what an index finds may be too much, and
// never too little.
//
// An order with a limit is answered along an index where the values concerned are of one kind that SQLite sorts as FerretDB
// does; see order.go and kinds.go. Stored documents are read in one pass; see decode.go. Of a find that leaves out nothing of them they are
// written into the answer in another; see find.go.
//
// FerretDB's backends are internal to its module. The name of this module lies below that module's, which is what Go
// asks of those who import them; it is never published, only replaced by this folder.
package gatehouse
