// Package audit says who acts and from where, and notes what is no change of configuration: who signed in, and what
// happened to people.
//
// Changes of configuration are recorded by the store as a part of the change (see store.Change); this package tells it
// the author. The records of a Recorder are written after the fact, so one that cannot be written does not undo what
// happened: it is logged with everything that is known, and counted.
package audit
