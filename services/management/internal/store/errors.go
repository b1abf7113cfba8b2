package store

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
)

// Errors that callers handle. Trouble with the connection is a fault of kind Unavailable.
var (
	// ErrNotFound says that no document has the identifier or value.
	ErrNotFound = errors.New("not found")
	// ErrStale says that the resource has changed since it was read.
	ErrStale = errors.New("changed meanwhile")
	// ErrDuplicate says that a value that must be unique is taken; the error is a *DuplicateError.
	ErrDuplicate = errors.New("taken")
	// ErrBehind says that the log of changes no longer reaches back to where a follower stands, or that the follower is
	// ahead of it because another state of the database was restored. It has to load everything again.
	ErrBehind = errors.New("the log of changes does not continue there")
)

// DuplicateError names the value that is taken.
type DuplicateError struct {
	// Kind is the arm of the resource, or the collection of another document.
	Kind string
	// ID is the identifier of the document that was not written.
	ID string
	// Unique is the name of the value, or "id".
	Unique string
}

// Error implements error.
func (e *DuplicateError) Error() string {
	return fmt.Sprintf("the %s of %s %s is taken", e.Unique, e.Kind, e.ID)
}

// Is makes the error an ErrDuplicate.
func (e *DuplicateError) Is(target error) bool { return target == ErrDuplicate }

// Codes of servers that are stepping down, shutting down or not writable: asking again later may help.
var passing = []int{6, 7, 89, 91, 189, 10107, 11600, 11602, 13435, 13436, 13388, 262, 9001}

// fail turns an error of the driver into one of ours. The end of the caller's own context stays what it is.
func (s *Store) fail(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("database: %w", context.Cause(ctx))
	case errors.Is(err, mongo.ErrNoDocuments):
		return ErrNotFound
	case away(err):
		return fault.Unavailablef("The database is not available. Try again later").Because(err)
	}
	return fmt.Errorf("database: %w", err)
}

func away(err error) bool {
	if mongo.IsTimeout(err) || mongo.IsNetworkError(err) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, mongo.ErrClientDisconnected) || errors.Is(err, context.Canceled) {
		return true
	}
	if fault.Is(err, fault.Unavailable) || errors.As(err, &topology.ServerSelectionError{}) {
		return true
	}
	var pool interface{ Retryable() bool } // a connection that broke before it was used
	if errors.As(err, &pool) && pool.Retryable() {
		return true
	}
	var server mongo.ServerError
	if errors.As(err, &server) {
		if server.HasErrorLabel("RetryableWriteError") || server.HasErrorLabel("NetworkError") {
			return true
		}
		for _, code := range passing {
			if server.HasErrorCode(code) {
				return true
			}
		}
	}
	return false
}
