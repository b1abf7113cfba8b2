// Package audit notes who changed what, when and from where, and who signed in.
//
// Records are written after the fact, so a record that cannot be written does not undo the change: it is logged with
// everything that is known, and counted.
package audit
