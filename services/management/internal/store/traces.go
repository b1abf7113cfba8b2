package store

import (
	"context"
	"errors"
	"sync"

	"go.mongodb.org/mongo-driver/v2/event"

	"github.com/gatehouse-am/gatehouse/pkg/observe"
)

// errCommand is all that a trace says about a command that failed: the server's text may repeat what was stored.
var errCommand = errors.New("the command failed")

// traced makes a span of every command that a request waits for. The name of the command is in it, never what it asks for or brings.
func traced(tracing *observe.Tracing) *event.CommandMonitor {
	var running sync.Map // of functions that end spans, by the request's number
	end := func(id int64, err error) {
		if f, there := running.LoadAndDelete(id); there {
			f.(func(error))(err)
		}
	}
	return &event.CommandMonitor{
		Started: func(ctx context.Context, e *event.CommandStartedEvent) {
			if called, f := tracing.Call(ctx, "mongodb", e.CommandName); called != ctx {
				running.Store(e.RequestID, f)
			}
		},
		Succeeded: func(_ context.Context, e *event.CommandSucceededEvent) { end(e.RequestID, nil) },
		Failed:    func(_ context.Context, e *event.CommandFailedEvent) { end(e.RequestID, errCommand) },
	}
}
