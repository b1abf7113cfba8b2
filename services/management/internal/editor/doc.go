// Package editor is the one path by which configuration changes, from whatever door a change comes.
//
//	read → merge (PATCH) → read strictly → obey field marks → normalise → validate → store.Write (with its records)
//
// A change without a revision of the caller's that loses a race begins again from the read, at most three times,
// because it still means the same; with one it is refused as stale.
package editor
