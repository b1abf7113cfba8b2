package directory

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/mergepatch"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

const (
	// maxLine bounds one line of an import, in bytes.
	maxLine = 256 << 10
	// importWidth is how many lines are worked on at once. It bounds the memory of an import, however long it is.
	importWidth = 8
	// hashTries is how often a line waits for its turn to have a password hashed.
	hashTries = 30
	hashPause = 200 * time.Millisecond
)

// importer is one import.
type importer struct {
	*Service
	domain string
	// upsert says that users who are there already are changed.
	upsert bool

	mu sync.Mutex
	// last is closed when the line before with the same name is done; guarded by mu.
	last map[string]chan struct{}
}

// Import makes users of lines, each a NewUser in JSON, and says of each line what became of it, in the order of the lines.
// It reads no further ahead than it works, so a slow reader of the answers slows the import down. It ends with the lines,
// with ctx, or with an error of say.
func (s *Service) Import(ctx context.Context, domain string, upsert bool, lines io.Reader, say func(*managementv1.ImportedUser) error) error {
	ctx, cancel := context.WithCancel(ctx)
	im := &importer{Service: s, domain: domain, upsert: upsert, last: map[string]chan struct{}{}}
	results := make(chan chan *managementv1.ImportedUser, importWidth-2) // one is being answered, one waits to enter
	var running sync.WaitGroup
	var broken error
	running.Go(func() {
		defer close(results)
		broken = im.read(ctx, lines, func(line int64, text []byte, refused error) bool {
			result := make(chan *managementv1.ImportedUser, 1)
			work := im.prepare(line, text, refused)
			running.Go(func() { result <- work(ctx) })
			select {
			case results <- result:
				return true
			case <-ctx.Done():
				return false
			}
		})
	})
	var err error
	for result := range results {
		one := <-result
		if err == nil {
			if err = say(one); err != nil {
				cancel()
			}
		}
	}
	running.Wait()
	cancel()
	return errors.Join(err, broken)
}

var errLongLine = fault.Invalidf("The line is longer than %d bytes", maxLine)

// read hands on each line that is not blank. A line that is too long is handed on as refused.
func (im *importer) read(ctx context.Context, lines io.Reader, next func(line int64, text []byte, refused error) bool) error {
	r := bufio.NewReaderSize(lines, maxLine)
	for number := int64(1); ctx.Err() == nil; number++ {
		text, err := r.ReadSlice('\n')
		var refused error
		if errors.Is(err, bufio.ErrBufferFull) {
			text, refused = nil, errLongLine
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = r.ReadSlice('\n')
			}
		}
		whole := err == nil || errors.Is(err, io.EOF)
		if whole && (refused != nil || len(bytes.TrimSpace(text)) > 0) && !next(number, bytes.Clone(text), refused) {
			return nil
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	return nil
}

// prepare reads a line and takes its turn among the lines of the same person, which follow each other as they were written.
func (im *importer) prepare(line int64, text []byte, refused error) func(context.Context) *managementv1.ImportedUser {
	failed := func(err error) func(context.Context) *managementv1.ImportedUser {
		return func(ctx context.Context) *managementv1.ImportedUser { return im.failed(ctx, line, err) }
	}
	if refused != nil {
		return failed(refused)
	}
	body, err := prototree.Parse(text)
	if err != nil {
		return failed(catalog.TreeError(err))
	}
	draft := new(directoryv1.NewUser)
	if err := prototree.Management.Decode(body, draft); err != nil {
		return failed(catalog.TreeError(err))
	}
	key := im.sourceOf(draft) + "/" + strings.ToLower(strings.TrimSpace(draft.GetUsername()))
	done := make(chan struct{})
	im.mu.Lock()
	before := im.last[key]
	im.last[key] = done
	im.mu.Unlock()
	return func(ctx context.Context) *managementv1.ImportedUser {
		defer func() {
			im.mu.Lock()
			defer im.mu.Unlock()
			if im.last[key] == done {
				delete(im.last, key)
			}
			close(done)
		}()
		if before != nil {
			<-before // it ends: it waits for lines before it only
		}
		user, status, err := im.patiently(ctx, body, draft)
		if err != nil {
			return im.failed(ctx, line, err)
		}
		return &managementv1.ImportedUser{Line: line, Status: status, Id: user.GetId()}
	}
}

// patiently makes a user, and waits where passwords cannot be hashed as fast as lines come.
func (im *importer) patiently(ctx context.Context, body prototree.Object, draft *directoryv1.NewUser,
) (user *directoryv1.User, status managementv1.ImportedUser_Status, err error) {
	for range hashTries {
		if ctx.Err() != nil {
			return nil, 0, context.Cause(ctx)
		}
		user, status, err = im.one(ctx, body, draft)
		if !errors.Is(err, secret.ErrBusy) {
			return user, status, err
		}
		timer := time.NewTimer(hashPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
	return user, status, err
}

// one makes a user or, where that is wanted, changes the one who is there.
func (im *importer) one(ctx context.Context, body prototree.Object, draft *directoryv1.NewUser) (*directoryv1.User, managementv1.ImportedUser_Status, error) {
	for range races {
		if im.upsert {
			user, err := im.update(ctx, body, draft)
			if !errors.Is(err, store.ErrNotFound) && !fault.Is(err, fault.NotFound) {
				return user, managementv1.ImportedUser_UPDATED, err
			}
		}
		user, err := im.create(ctx, im.domain, draft)
		if !im.upsert || !nameTaken(err) {
			return user, managementv1.ImportedUser_CREATED, err
		}
		// Somebody else made them between the look and the attempt.
	}
	return nil, 0, errContended
}

func (im *importer) sourceOf(draft *directoryv1.NewUser) string {
	if draft.GetSource() == "" {
		return catalog.DefaultProviderID(im.domain)
	}
	return draft.GetSource()
}

// update merges a line into the user with its name, or returns store.ErrNotFound.
func (im *importer) update(ctx context.Context, body prototree.Object, draft *directoryv1.NewUser) (*directoryv1.User, error) {
	found, err := im.store.Users().FindByUsername(ctx, im.domain, im.sourceOf(draft), strings.TrimSpace(draft.GetUsername()))
	if err != nil {
		return nil, err
	}
	client, err := im.application(ctx, im.domain, draft.GetClient())
	if err != nil {
		return nil, err
	}
	if client != "" && client != found.GetClient() {
		return nil, broken("client", "can not be changed")
	}
	patch := prototree.Object{}
	for name, value := range body {
		switch name {
		case "password", "passwordHash", "source", "client", "preRegistration":
		default:
			patch[name] = value
		}
	}
	return im.change(ctx, im.domain, found.GetId(), 0, actionUpdate, func(old *directoryv1.User) (*directoryv1.User, error) {
		tree, err := prototree.Management.Encode(old)
		if err != nil {
			return nil, err
		}
		next := new(directoryv1.User)
		if err := prototree.Management.Decode(mergepatch.Merge(tree, patch), next); err != nil {
			return nil, catalog.TreeError(err)
		}
		if next, err = updated(old, next); err != nil {
			return nil, err
		}
		switch {
		case draft.GetPasswordHash() != "":
			next = proto.CloneOf(next)
			return next, setHash(next, draft)
		case draft.GetPassword() != "":
			return next, im.setPassword(ctx, next, draft.GetPassword())
		}
		return next, nil
	})
}

// failed says why a line was refused. A fault of ours is logged and not told.
func (im *importer) failed(ctx context.Context, line int64, err error) *managementv1.ImportedUser {
	if fault.Is(err, fault.Internal) && ctx.Err() == nil {
		im.log.ErrorContext(ctx, "line of an import failed", "domain", im.domain, "line", line, "err", err)
	}
	body := fault.BodyOf(err)
	return &managementv1.ImportedUser{
		Line: line, Status: managementv1.ImportedUser_FAILED, Message: body.Message, Errors: fieldErrors(body.Errors),
	}
}

func fieldErrors(details []fault.Detail) []*managementv1.UserFieldError {
	var all []*managementv1.UserFieldError
	for _, d := range details {
		all = append(all, &managementv1.UserFieldError{Path: d.Path, Detail: d.Detail})
	}
	return all
}
