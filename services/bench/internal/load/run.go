package load

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// ErrDone is returned by an Operation that has nothing left to ask. It ends the worker and is no error.
var ErrDone = errors.New("nothing is left to ask")

// Operation is what one worker does again and again on its connection: usually one request, sometimes a whole flow. With
// check it also proves that the answer is right in every respect; without, that it looks right. An error counts as one
// failed operation.
type Operation func(ctx context.Context, c *Conn, check bool) error

// Plan says how a server is asked.
type Plan struct {
	Address     string // host:port
	Connections int    // at least 1
	Duration    time.Duration
	// CheckEvery is the distance between two checked operations of all workers together; 0 means that none is. A check may
	// ask the server for more than the operation does, so it must be rare.
	CheckEvery int64
	// CheckFirst also checks the first operation of every worker. It is for warming up.
	CheckFirst bool
	// Operation returns what worker number 0, 1, … does. It is called before the clock starts.
	Operation func(worker int) Operation
}

// patience is how long the operations under way at the end may still take.
const patience = 15 * time.Second

// maxFailures ends a worker: a server that refuses everything is not asked to the end.
const maxFailures = 20

// Result is what came of a Plan.
type Result struct {
	Operations int64 // that succeeded
	Failures   int64
	FirstError error // of the failed ones
	Checked    int64
	Elapsed    time.Duration // until the last worker ended
	Latency    Histogram     // of the operations that succeeded and were not checked, so that a check's own time is not in it
}

// Rate returns the operations per second.
func (r *Result) Rate() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Operations) / r.Elapsed.Seconds()
}

// Run asks according to plan. Every operation that was begun is finished and counted, so that what the server spent
// between the call and its return is what these operations cost. It returns early, with the context's error, when ctx ends.
func Run(ctx context.Context, plan Plan) (*Result, error) {
	workers := make([]worker, plan.Connections)
	for i := range workers {
		workers[i] = worker{conn: NewConn(plan.Address), operation: plan.Operation(i)}
		defer workers[i].conn.Close()
	}
	start := time.Now()
	end := start.Add(plan.Duration)
	ctx, cancel := context.WithDeadline(ctx, end.Add(patience))
	defer cancel()
	var begun atomic.Int64
	check := func(first bool) bool {
		n := begun.Add(1)
		return plan.CheckFirst && first || plan.CheckEvery > 0 && n%plan.CheckEvery == 0
	}
	var group sync.WaitGroup
	for i := range workers {
		group.Go(func() { workers[i].run(ctx, end, check) })
	}
	group.Wait()
	total := &Result{Elapsed: time.Since(start)}
	for i := range workers {
		total.add(&workers[i].result)
	}
	return total, context.Cause(ctx)
}

func (r *Result) add(other *Result) {
	r.Operations += other.Operations
	r.Failures += other.Failures
	r.Checked += other.Checked
	r.Latency.Merge(&other.Latency)
	if r.FirstError == nil {
		r.FirstError = other.FirstError
	}
}

type worker struct {
	conn      *Conn
	operation Operation
	result    Result
}

func (w *worker) run(ctx context.Context, end time.Time, checked func(first bool) bool) {
	deadline, _ := ctx.Deadline()
	w.conn.SetDeadline(deadline)
	began := time.Now()
	for n := 0; ctx.Err() == nil && began.Before(end); n++ {
		check := checked(n == 0)
		err := w.operation(ctx, w.conn, check)
		now := time.Now()
		switch {
		case errors.Is(err, ErrDone):
			return
		case err != nil:
			w.result.Failures++
			if w.result.FirstError == nil {
				w.result.FirstError = err
			}
			if w.result.Failures >= maxFailures {
				return
			}
		default:
			w.result.Operations++
			if check {
				w.result.Checked++
			} else {
				w.result.Latency.Add(now.Sub(began))
			}
		}
		began = now
	}
}
