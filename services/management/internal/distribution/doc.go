// Package distribution follows the change log and feeds the configuration stream and this replica's image from it.
//
//	store.LoadInto ▶ Publisher.LoadFrom, Image.LoadFrom   at the start, and whenever the log no longer continues
//	store.Follow ─▶ Publisher.Apply, Image.Apply   revision by revision
//	store.Missed ─▶ store.Remind                   now and then: what a writer left that died at the worst moment
package distribution
