// Package faults holds the tests of what happens when parts of an installation go away: management, gateways, Redis and
// the database, as real processes that are killed, stopped and started again.
//
// Nothing here waits for a time to pass: a test waits until something is so, or measures how long an answer took. Tests
// that measure run alone; those that mostly wait run side by side after them.
package faults
