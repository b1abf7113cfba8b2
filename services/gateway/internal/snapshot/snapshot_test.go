package snapshot

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
)

// held is a sink that knows what it holds.
type held struct {
	revision int64
	names    map[string]string
	withheld int
	batches  int
}

func (h *held) Apply(_ context.Context, b configsync.Batch) []*configsyncv1.Rejection {
	h.batches++
	if b.Reset {
		h.names, h.withheld = map[string]string{}, 0
	}
	h.revision = b.Revision
	var refused []*configsyncv1.Rejection
	for w, err := range b.All() {
		a := resource.Unwrap(w).(*configv1.Application)
		if err != nil || a.GetName() == "bad" {
			refused = append(refused, &configsyncv1.Rejection{Reason: "bad"})
		}
		h.names[a.GetId()] = a.GetName()
	}
	for _, k := range b.Deletes {
		delete(h.names, k.GetId())
	}
	for _, w := range b.Withheld {
		h.withheld += len(w.Clients)
	}
	return refused
}

func app(id, name string) *configv1.Resource {
	return resource.Wrap(&configv1.Application{Id: id, Domain: "d", Name: name})
}

// lean is a batch as it comes to a gateway: encoded.
func lean(t testing.TB, b configsync.Batch) configsync.Batch {
	t.Helper()
	r := configsync.NewReplay()
	for m, err := range b.Messages() {
		if err != nil {
			t.Fatal(err)
		}
		whole, complete, err := r.Add(m)
		if err != nil {
			t.Fatal(err)
		}
		if complete {
			return whole
		}
	}
	t.Fatal("no batch")
	return b
}

func everything(revision int64, all ...*configv1.Resource) configsync.Batch {
	return configsync.Batch{Installation: "i", Revision: revision, Reset: true, Upserts: all}
}

const minuteOfNow = 1_800_000_000

// rig is a folder, and the snapshots that processes make of it one after the other.
type rig struct {
	testing.TB
	folder string
	key    string
	now    time.Time
	failed int
}

func newRig(t testing.TB) *rig {
	return &rig{TB: t, folder: t.TempDir(), key: base64.StdEncoding.EncodeToString(make([]byte, 32)), now: time.Unix(minuteOfNow, 0)}
}

func (r *rig) open(domains ...string) (*Snapshot, *held) {
	r.Helper()
	h := &held{names: map[string]string{}}
	s, err := Open(Options{
		Folder: r.folder, Key: r.key, MaxAge: time.Hour, Domains: domains, Sink: h, Connected: func() bool { return true },
		Failed: func() { r.failed++ }, Now: func() time.Time { return r.now }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		r.Fatal(err)
	}
	return s, h
}

func (r *rig) path() string { return filepath.Join(r.folder, name) }

func (r *rig) apply(s *Snapshot, b configsync.Batch) {
	r.Helper()
	s.Apply(r.Context(), b)
	if r.failed > 0 {
		r.Fatal("the file was not written")
	}
}

// restored is what a process that starts now finds.
func (r *rig) restored(domains ...string) (*held, Restored, error) {
	s, h := r.open(domains...)
	what, err := s.Restore(r.Context())
	return h, what, err
}

func TestWhatWasServedLastIsRestored(t *testing.T) {
	r := newRig(t)
	s, _ := r.open()
	r.apply(s, everything(7, app("a", "one"), app("b", "bad")))
	r.now = r.now.Add(10 * time.Minute)
	r.apply(s, configsync.Batch{Installation: "i", Revision: 9, Upserts: []*configv1.Resource{app("c", "three")}, Deletes: []*configv1.Key{{Kind: "application", Domain: "d", Id: "a"}}})
	r.now = r.now.Add(10 * time.Minute)
	h, what, err := r.restored()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"b": "bad", "c": "three"}, h.names); diff != "" || what.Revision != 9 || what.Rejections != 0 || !what.Current.Equal(r.now.Add(-10*time.Minute)) {
		t.Errorf("%+v %s", what, diff)
	}
	// The next process begins a file of its own with what the stream brings.
	next, _ := r.open()
	if _, err := next.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.apply(next, everything(20, app("z", "all")))
	if h, what, err = r.restored(); err != nil || what.Revision != 20 || len(h.names) != 1 {
		t.Errorf("%v %v %v", h.names, what, err)
	}
	if info, err := os.Stat(r.path()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	left, err := os.ReadDir(r.folder)
	if err != nil || len(left) != 1 {
		t.Errorf("%d files, %v", len(left), err)
	}
}

func TestEveryFormOfABatchIsKept(t *testing.T) {
	large := everything(1)
	for i := range 3000 {
		large.Upserts = append(large.Upserts, app(fmt.Sprintf("a%d", i), strings.Repeat("x", 1000)))
	}
	large.Withheld = []configsync.Withheld{{Domain: "d", Clients: make([]uint64, 300_000)}, {Domain: "e", Clients: []uint64{1}}}
	gone := configsync.Batch{Installation: "i", Revision: 2}
	for i := range 2500 {
		gone.Deletes = append(gone.Deletes, &configv1.Key{Kind: "application", Domain: "d", Id: fmt.Sprintf("a%d", i)})
	}
	for name, as := range map[string]func(testing.TB, configsync.Batch) configsync.Batch{
		"decoded": func(_ testing.TB, b configsync.Batch) configsync.Batch { return b },
		"encoded": lean,
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			s, _ := r.open()
			r.apply(s, as(t, large))
			r.apply(s, gone)
			r.apply(s, configsync.Batch{Installation: "i", Revision: 3})
			h, what, err := r.restored()
			if err != nil || len(h.names) != 500 || h.withheld != 300_001 || what.Revision != 3 || h.batches != 3 {
				t.Errorf("%d names, %d withheld, %d batches, %+v, %v", len(h.names), h.withheld, h.batches, what, err)
			}
		})
	}
}

func TestTheStreamKnowsBetter(t *testing.T) {
	r := newRig(t)
	s, _ := r.open()
	r.apply(s, everything(7, app("a", "one")))
	next, h := r.open()
	r.apply(next, everything(8, app("b", "two")))
	if _, err := next.Restore(t.Context()); !errors.Is(err, ErrStream) || h.batches != 1 {
		t.Errorf("%v after %d batches", err, h.batches)
	}
}

// TestAnUnfinishedFileCountsAsFarAsItIsWhole: wherever a process dies, what is left is a state that was in effect, or nothing.
func TestAnUnfinishedFileCountsAsFarAsItIsWhole(t *testing.T) {
	r := newRig(t)
	s, _ := r.open()
	r.apply(s, everything(7, app("a", "one")))
	base := s.to.written
	r.apply(s, configsync.Batch{Installation: "i", Revision: 8, Upserts: []*configv1.Resource{app("b", "two")}})
	whole, err := os.ReadFile(r.path())
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if err := os.WriteFile(r.path(), whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		h, what, err := r.restored()
		switch {
		case int64(n) < base:
			if err == nil || h.batches != 0 {
				t.Fatalf("of %d bytes: %v, %v", n, what, err)
			}
		case err != nil || what.Revision != 7 || len(h.names) != 1:
			t.Fatalf("of %d bytes: %v, %v", n, what, err)
		}
	}
}

func TestWhatWasChangedIsNotRead(t *testing.T) {
	r := newRig(t)
	s, _ := r.open()
	r.apply(s, everything(7, app("a", "one")))
	base := int(s.to.written)
	r.apply(s, configsync.Batch{Installation: "i", Revision: 8, Upserts: []*configv1.Resource{app("b", "two")}})
	whole, err := os.ReadFile(r.path())
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		changed := append([]byte(nil), whole...)
		changed[n] ^= 1
		if err := os.WriteFile(r.path(), changed, 0o600); err != nil {
			t.Fatal(err)
		}
		if h, what, err := r.restored(); n < base && (err == nil || h.batches > 0) || n >= base && (err != nil || what.Revision != 7) {
			t.Fatalf("with byte %d changed: %v, %v", n, what, err)
		}
	}
}

func TestWhatIsNotUsed(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		change     func(*rig)
		domains    []string
	}{
		{"none", "no such file", func(r *rig) { _ = os.Remove(r.path()) }, nil},
		{"of another key", "sealed with another key", func(r *rig) { r.key = base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))) }, nil},
		{"of other domains", "it is of other domains", func(*rig) {}, []string{"d"}},
		{"too old", "which is more than 1h0m0s", func(r *rig) { r.now = r.now.Add(time.Hour + time.Second) }, nil},
		{"of something else", "it is no snapshot", func(r *rig) { _ = os.WriteFile(r.path(), []byte("{}\n"), 0o600) }, nil},
		{"of a later form", "has the form 2", func(r *rig) {
			_ = os.WriteFile(r.path(), []byte(`{"format":"gatehouse-snapshot","version":2}`+"\n"), 0o600)
		}, nil},
		{"endless", "it is no snapshot", func(r *rig) { _ = os.WriteFile(r.path(), make([]byte, 5<<20), 0o600) }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			s, _ := r.open()
			r.apply(s, everything(7, app("a", "one")))
			tt.change(r)
			h, what, err := r.restored(tt.domains...)
			if err == nil || !strings.Contains(err.Error(), tt.want) || h.batches != 0 {
				t.Errorf("%v, %v; want %s", what, err, tt.want)
			}
		})
	}
}

// TestNothingIsReadable: names and keys are not in the file.
func TestNothingIsReadable(t *testing.T) {
	r := newRig(t)
	s, _ := r.open()
	r.apply(s, everything(7, app("a", "a name that can be seen")))
	text, err := os.ReadFile(r.path())
	if err != nil || strings.Contains(string(text), "can be seen") {
		t.Errorf("%v %s", err, text)
	}
}

func TestAFileThatCannotBeWrittenIsBegunAnew(t *testing.T) {
	r := newRig(t)
	s, h := r.open()
	if s.Again() {
		t.Error("everything is asked for before anything came")
	}
	r.apply(s, everything(7, app("a", "one")))
	_ = s.file.Close()
	s.Apply(t.Context(), configsync.Batch{Installation: "i", Revision: 8, Upserts: []*configv1.Resource{app("b", "two")}})
	s.Apply(t.Context(), configsync.Batch{Installation: "i", Revision: 9, Upserts: []*configv1.Resource{app("c", "three")}})
	if r.failed != 1 || len(h.names) != 3 || !s.Again() {
		t.Errorf("failed %d times, %d are served, everything again: %t", r.failed, len(h.names), s.Again())
	}
	s.Apply(t.Context(), everything(10, app("a", "one")))
	if _, what, err := r.restored(); err != nil || what.Revision != 10 || s.Again() {
		t.Errorf("%v, %v", what, err)
	}
	r.failed = 0
	if err := os.RemoveAll(r.folder); err != nil {
		t.Fatal(err)
	}
	s.Apply(t.Context(), everything(11, app("a", "two")))
	if r.failed != 1 || h.names["a"] != "two" || !s.Again() {
		t.Errorf("without a folder: failed %d times, serves %v", r.failed, h.names)
	}
}

func TestAFileThatHasGrownIsBegunAnew(t *testing.T) {
	r := newRig(t)
	s, _ := r.open()
	r.apply(s, everything(1, app("a", "one")))
	for i := range int64(16) {
		if s.Again() {
			t.Fatalf("after %d MB already", i)
		}
		r.apply(s, configsync.Batch{Installation: "i", Revision: 2 + i, Upserts: []*configv1.Resource{app("a", strings.Repeat("x", 1<<20))}})
	}
	if !s.Again() {
		t.Error("after 16 MB not yet")
	}
}

// TestWhatADeadProcessLeftIsRemoved: a file that was being begun when its process was killed is nobody's. Files of other names are left alone.
func TestWhatADeadProcessLeftIsRemoved(t *testing.T) {
	r := newRig(t)
	s, _ := r.open()
	r.apply(s, everything(7, app("a", "one")))
	killed, err := os.CreateTemp(r.folder, unfinished)
	if err != nil {
		t.Fatal(err)
	}
	if err := killed.Close(); err != nil {
		t.Fatal(err)
	}
	foreign := []string{name + ".", name + ".1.bak", name + ".old", name + "1", "notes.1"}
	for _, file := range foreign {
		if err := os.WriteFile(filepath.Join(r.folder, file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	folder := name + ".2"
	if err := os.Mkdir(filepath.Join(r.folder, folder), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, what, err := r.restored(); err != nil || what.Revision != 7 {
		t.Errorf("%v, %v", what, err)
	}
	entries, err := os.ReadDir(r.folder)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, entry := range entries {
		left = append(left, entry.Name())
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(append(foreign, name, folder))), left); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
}

// TestTheTimeIsKept: a state that does not change for days is current as long as the stream is alive.
func TestTheTimeIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		h := &held{names: map[string]string{}}
		var connected atomic.Bool
		connected.Store(true)
		s, err := Open(Options{
			Folder: r.folder, Key: r.key, MaxAge: time.Hour, Sink: h, Connected: connected.Load, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		s.Apply(t.Context(), everything(7, app("a", "one")))
		ctx, end := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		<-time.After(26 * time.Hour)
		synctest.Wait()
		lost := time.Now()
		connected.Store(false)
		<-time.After(30 * time.Minute)
		end()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		next, err := Open(Options{Folder: r.folder, Key: r.key, MaxAge: time.Hour, Sink: h, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		what, err := next.Restore(t.Context())
		if err != nil || lost.Sub(what.Current) > time.Minute || what.Revision != 7 || h.batches != 2 {
			t.Errorf("%v, %v after %d batches", what, err, h.batches)
		}
	})
}

func TestWhatIsWrongWithTheConfiguration(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	good := base64.StdEncoding.EncodeToString(make([]byte, 32))
	for name, o := range map[string]Options{
		"no key": {Folder: t.TempDir()}, "a short key": {Folder: t.TempDir(), Key: "c2hvcnQ="}, "no base64": {Folder: t.TempDir(), Key: strings.Repeat("?", 44)},
		"a folder that is a file": {Folder: file, Key: good},
	} {
		if _, err := Open(o); err == nil {
			t.Errorf("%s: nothing is wrong", name)
		}
	}
	if _, err := Open(Options{Folder: filepath.Join(t.TempDir(), "new", "one"), Key: good + "\n"}); err != nil {
		t.Errorf("a folder that is to be made: %v", err)
	}
}

func FuzzRestore(f *testing.F) {
	r := newRig(f)
	s, _ := r.open()
	r.apply(s, everything(7, app("a", "one")))
	r.apply(s, configsync.Batch{Installation: "i", Revision: 8, Deletes: []*configv1.Key{{Kind: "application", Domain: "d", Id: "a"}}})
	whole, err := os.ReadFile(r.path())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole, true)
	f.Add([]byte(`{"format":"gatehouse-snapshot","version":1,"salt":"","domains":null}`+"\n\xff\xff\xff\xffm"), true)
	message, err := proto.Marshal(&configsyncv1.WatchResponse{Installation: "i", Reset_: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(message, false)
	f.Fuzz(func(t *testing.T, data []byte, file bool) {
		if !file {
			_, _, _ = configsync.NewReplay().Add(data)
			return
		}
		r := newRig(t)
		if err := os.WriteFile(r.path(), data, 0o600); err != nil {
			t.Fatal(err)
		}
		if h, what, err := r.restored(); err == nil && (h.batches == 0 || what.Revision != h.revision) {
			t.Errorf("%v after %d batches", what, h.batches)
		}
	})
}
