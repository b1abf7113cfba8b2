package store

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
)

// batchPatience is how long the next documents of a collection that is read as a whole may take to come. It is longer than that of
// other operations: nobody waits for these, and whoever gives up begins with the first document again, on a database that
// has too much to do already. The embedded database looks at every document of a collection when it is first asked for an order in it:
// that is before the first page of an export, and the more people there are the longer it takes.
const batchPatience = time.Minute

// next is c.Next with that patience.
func next(ctx context.Context, c *mongo.Cursor) bool {
	if c.RemainingBatchLength() > 0 {
		return c.Next(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, batchPatience)
	defer cancel()
	return c.Next(ctx)
}

// patient gives that patience to one page of something that is read as a whole. Between pages nobody is asked anything.
func patient(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, batchPatience, errBusy)
}

var errBusy = fault.Unavailablef("The database has too much to do. Try again later")
