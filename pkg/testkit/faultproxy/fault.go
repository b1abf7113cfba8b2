package faultproxy

import (
	"fmt"
	"time"
)

// Fault is what is wrong with a network; see the package for each. The zero value is [Healthy].
type Fault struct {
	kind          kind
	delay, jitter time.Duration
	bytes         int64
}

type kind int

const (
	healthy kind = iota
	latency
	narrow
	cut
	refused
	halfOpen
	deaf
	stalled
	answersLost
	slowClose
	truncated
)

var names = [...]string{
	"healthy", "latency", "narrow", "cut", "refused", "half-open", "deaf", "stalled", "answers lost", "slow close", "truncated",
}

// The faults without a measure.
var (
	Healthy     = Fault{}
	Cut         = Fault{kind: cut}
	Refused     = Fault{kind: refused}
	HalfOpen    = Fault{kind: halfOpen}
	Deaf        = Fault{kind: deaf}
	Stalled     = Fault{kind: stalled}
	AnswersLost = Fault{kind: answersLost}
	SlowClose   = Fault{kind: slowClose}
)

// Latency delays everything, each way, by delay and up to jitter more. Order is kept.
func Latency(delay, jitter time.Duration) Fault {
	return Fault{kind: latency, delay: delay, jitter: jitter}
}

// Narrow lets so many bytes a second pass, each way of each connection.
func Narrow(bytes int64) Fault { return Fault{kind: narrow, bytes: max(bytes, 1)} }

// Truncated resets each connection after so many bytes of the server's.
func Truncated(bytes int64) Fault { return Fault{kind: truncated, bytes: bytes} }

// String is the fault's name and measure.
func (f Fault) String() string {
	switch f.kind {
	case latency:
		return fmt.Sprintf("latency of %s to %s", f.delay, f.delay+f.jitter)
	case narrow, truncated:
		return fmt.Sprintf("%s: %d bytes", names[f.kind], f.bytes)
	default:
		return names[f.kind]
	}
}
