package snapshot

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
)

const (
	// name is the file's.
	name = "configuration.snapshot"
	// unfinished is the name of a file that is being begun, as os.CreateTemp wants it: it puts digits for the star.
	unfinished = name + ".*"
	// least is what may be appended to a file of any size before it is begun anew.
	least = 16 << 20
	// confirmEvery is how often a file is told that its state is still current.
	confirmEvery = time.Minute
)

// Options are what a Snapshot works with.
type Options struct {
	// Folder is where the file lies; it is made if it is not there. Nobody else needs to read it.
	Folder string
	// Key seals it: 32 bytes in base64.
	Key string
	// MaxAge is how old a state may be that is restored: the time since it was known to be current.
	MaxAge time.Duration
	// Domains are those that the gateway watches; a file of others is not used.
	Domains []string
	// Sink is what batches are for.
	Sink configsync.Sink
	// Connected says whether the configuration stream is alive.
	Connected func() bool
	// Failed is told of each time that the file could not be written; nil is nobody.
	Failed func()
	Now    func() time.Time
	Log    *slog.Logger
}

// Snapshot is a configsync.Sink that keeps what it hands on. It is safe for concurrent use.
type Snapshot struct {
	o   Options
	key []byte

	mu      sync.Mutex
	applied bool // the stream has brought something
	file    *os.File
	to      *writer
	base    int64 // how large the file was with everything in it
}

// Open prepares a snapshot. It writes nothing but a file that it takes away again, and takes away what processes left that died while they
// began a file. An error says what is wrong with the key or the folder.
func Open(o Options) (*Snapshot, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(o.Key))
	if err != nil || len(key) != keyBytes {
		return nil, fmt.Errorf("the key of the snapshot is not %d bytes in base64", keyBytes)
	}
	if err := os.MkdirAll(o.Folder, 0o700); err != nil {
		return nil, err
	}
	if err := removeUnfinished(o.Folder); err != nil {
		return nil, err
	}
	trial, err := os.CreateTemp(o.Folder, unfinished)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(trial.Close(), os.Remove(trial.Name())); err != nil {
		return nil, err
	}
	o.Domains = slices.Sorted(slices.Values(o.Domains))
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Failed == nil {
		o.Failed = func() {}
	}
	return &Snapshot{o: o, key: key}, nil
}

// removeUnfinished takes away files that were begun by processes that are gone: each may be as large as the configuration. The folder is of
// one gateway alone, so nobody else begins one.
func removeUnfinished(folder string) error {
	all, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, entry := range all {
		digits, ours := strings.CutPrefix(entry.Name(), strings.TrimSuffix(unfinished, "*"))
		if !ours || digits == "" || strings.Trim(digits, "0123456789") != "" || !entry.Type().IsRegular() {
			continue
		}
		if err := os.Remove(filepath.Join(folder, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (s *Snapshot) path() string { return filepath.Join(s.o.Folder, name) }

// Apply implements configsync.Sink. A file that cannot be written is no reason not to serve: it is told, and begun anew with the next batch
// that has everything.
func (s *Snapshot) Apply(ctx context.Context, b configsync.Batch) []*configsyncv1.Rejection {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.applied = true
	rejections := s.o.Sink.Apply(ctx, b)
	if err := s.keep(b); err != nil {
		s.failed(ctx, err)
	}
	return rejections
}

func (s *Snapshot) keep(b configsync.Batch) error {
	if b.Reset {
		return s.begin(b)
	}
	if s.to == nil {
		return nil // it was told why
	}
	return s.to.batch(b, s.o.Now())
}

// begin writes everything to a new file, which takes the place of the old one when it is whole.
func (s *Snapshot) begin(b configsync.Batch) (err error) {
	s.close()
	file, err := os.CreateTemp(s.o.Folder, unfinished) // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = errors.Join(file.Close(), os.Remove(file.Name()))
		}
	}()
	to, err := newWriter(file, s.key, s.o.Domains)
	if err != nil {
		return err
	}
	if err := to.batch(b, s.o.Now()); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), s.path()); err != nil {
		return err
	}
	s.file, s.to, s.base = file, to, to.written
	return nil
}

func (s *Snapshot) failed(ctx context.Context, err error) {
	s.close()
	s.o.Failed()
	s.o.Log.ErrorContext(ctx, "the snapshot of the configuration cannot be written; it is begun anew with the next subscription", "folder", s.o.Folder, "err", err)
}

func (s *Snapshot) close() {
	if s.file != nil {
		_ = s.file.Close()
		s.file, s.to = nil, nil
	}
}

// Again reports whether the next subscription should ask for everything: the file has grown to twice what it began with, or is none.
func (s *Snapshot) Again() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.applied && (s.to == nil || s.to.written-s.base > max(least, s.base))
}

// Restored is what a snapshot brought back.
type Restored struct {
	// Revision is the state's, and Current when it was known to be current.
	Revision int64
	Current  time.Time
	// Rejections is how many resources of it cannot be used.
	Rejections int
}

// ErrStream means that the stream has brought something: it knows better.
var ErrStream = errors.New("the configuration stream was found")

// Restore puts in effect what is kept, unless the stream has brought anything: then it is ErrStream. Any other error says why nothing
// was restored.
func (s *Snapshot) Restore(ctx context.Context) (Restored, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.applied {
		return Restored{}, ErrStream
	}
	// How old it is its end says: it is read once for that, and once to be put in effect.
	last, err := s.read(func(configsync.Batch) {})
	if err != nil {
		return Restored{}, err
	}
	if age := s.o.Now().Sub(last.Current); age > s.o.MaxAge {
		return Restored{}, fmt.Errorf("%s: it was current %s ago, which is more than %s", s.path(), age.Round(time.Second), s.o.MaxAge)
	}
	rejections := 0
	last, err = s.read(func(b configsync.Batch) { rejections = len(s.o.Sink.Apply(ctx, b)) })
	last.Rejections = rejections
	return last, err
}

// read gives each whole batch of the file to a function. What is left at its end by a process that died is no part of it.
func (s *Snapshot) read(do func(configsync.Batch)) (last Restored, err error) {
	file, err := os.Open(s.path())
	if err != nil {
		return last, err
	}
	defer func() { _ = file.Close() }()
	wrong := func(err error) (Restored, error) { return last, fmt.Errorf("%s: %w", s.path(), err) }
	r, err := newReader(file, s.key, s.o.Domains)
	if err != nil {
		return wrong(err)
	}
	replay := configsync.NewReplay()
	var whole []configsync.Batch // those that no moment has confirmed yet: one at most, but for a file of somebody else
	for {
		kind, plain, err := r.record()
		switch {
		case err != nil && last.Current.IsZero():
			return wrong(err)
		case err != nil:
			return last, nil
		case kind == message:
			b, complete, err := replay.Add(plain)
			if err != nil {
				return wrong(err)
			}
			if complete {
				whole = append(whole, b)
			}
		case kind == moment && len(plain) == 8:
			for _, b := range whole {
				last.Revision = b.Revision
				do(b)
			}
			whole = nil
			last.Current = time.Unix(int64(binary.BigEndian.Uint64(plain)), 0) //nolint:gosec // as it was written
		default:
			return wrong(errSealed)
		}
	}
}

// Run tells the file every minute that its state is current, while the stream is alive. It ends with ctx.
func (s *Snapshot) Run(ctx context.Context) error {
	tick := time.NewTicker(confirmEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			s.mu.Lock()
			defer s.mu.Unlock()
			s.close()
			return nil
		case <-tick.C:
			s.confirm(ctx)
		}
	}
}

func (s *Snapshot) confirm(ctx context.Context) {
	if !s.o.Connected() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.to == nil {
		return
	}
	if err := s.to.current(s.o.Now()); err != nil {
		s.failed(ctx, err)
	}
}
