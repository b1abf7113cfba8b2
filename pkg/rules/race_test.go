//go:build race

package rules

// raceDetector: sync.Pool forgets on purpose then, and package regexp allocates its machines again and again.
const raceDetector = true
