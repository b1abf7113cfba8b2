package transfer

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/archive"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/audit"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store/storetest"
)

var here = editor.Place{Organization: "DEFAULT", Environment: "DEFAULT"}

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// records are what was noted.
type records struct {
	mu  sync.Mutex
	all []audit.Event
}

func (r *records) Record(_ context.Context, e audit.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, e)
}

// rig is a Service on a database of its own.
type rig struct {
	*testing.T
	*Service
	clock   *clock
	records *records
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, clock: &clock{now: time.Now()}, records: &records{}}
	o := storetest.Options(t)
	o.Now = r.clock.Now
	s := storetest.Open(t, o)
	operators, err := operator.New(operator.Options{Store: s, Hasher: secret.NewHasher(), Now: r.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	r.Service = New(Options{
		Store: s, Image: image.New(), Recorder: r.records, Now: r.clock.Now, Version: "test", Operators: operators,
		Editor: editor.New(editor.Options{Store: s, Hasher: secret.NewHasher(), Now: r.clock.Now}),
	})
	return r
}

// domain makes a domain with somebody in it and returns its identifier.
func (r *rig) domain(name string) string {
	r.Helper()
	d, _, err := editor.Create(r.Context(), r.Editor, catalog.Domains, here, prototree.Object{"name": name})
	if err != nil {
		r.Fatal(err)
	}
	r.person(d.GetId(), "ann")
	return d.GetId()
}

func (r *rig) person(domain, name string) *directoryv1.User {
	r.Helper()
	u := &directoryv1.User{
		Id: secret.NewID(), Domain: domain, Username: name, Source: catalog.DefaultProviderID(domain), Subject: secret.NewID(),
	}
	if err := r.Store.Users().Insert(r.Context(), u); err != nil {
		r.Fatal(err)
	}
	return u
}

func (r *rig) application(domain, name string) *configv1.Application {
	r.Helper()
	at := here
	at.Domain = domain
	a, _, err := editor.Create(r.Context(), r.Editor, catalog.Applications, at, prototree.Object{"name": name, "type": "service"})
	if err != nil {
		r.Fatal(err)
	}
	return a
}

func (r *rig) people(domain string) int {
	r.Helper()
	all, err := r.Store.Users().After(r.Context(), domain, nil, 1000)
	if err != nil {
		r.Fatal(err)
	}
	return len(all)
}

func (r *rig) there(domain string) bool {
	r.Helper()
	_, err := store.Get(r.Context(), r.Store, catalog.Domains, domain)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		r.Fatal(err)
	}
	return err == nil
}

// archive takes a domain out, or everything where the identifier is empty, without a key. Change may replace a record by some.
func (r *rig) archive(domain string, change func(kind string, data prototree.Object) []prototree.Object) []byte {
	return r.archiveWith(archive.Key{}, domain, change)
}

func (r *rig) archiveWith(key archive.Key, domain string, change func(kind string, data prototree.Object) []prototree.Object) []byte {
	r.Helper()
	var all []resource.Resource
	for _, k := range catalog.All {
		some, _, err := r.Store.ListAny(r.Context(), k, store.Query{})
		if err != nil {
			r.Fatal(err)
		}
		all = append(all, some...)
	}
	r.Image.Load(r.Image.Begin(), r.last(), all)
	x, err := r.plan(here, domain)
	if err != nil {
		r.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := x.write(r.Context(), key, &out); err != nil {
		r.Fatal(err)
	}
	if change == nil {
		return out.Bytes()
	}
	in, err := archive.NewReader(&out, key)
	if err != nil {
		r.Fatal(err)
	}
	var again bytes.Buffer
	w, err := archive.NewWriter(&again, key, in.Header(), r.Now())
	if err != nil {
		r.Fatal(err)
	}
	for {
		record, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			r.Fatal(err)
		}
		for _, data := range change(record.Kind, record.Data) {
			if err := w.Write(record.Kind, data); err != nil {
				r.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		r.Fatal(err)
	}
	return again.Bytes()
}

func (r *rig) last() int64 {
	r.Helper()
	revision, err := r.Store.LastRevision(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	return revision
}

// bring imports an archive and returns the lines, of which the last one says what became of it.
func (r *rig) bring(from io.Reader, edit func(*wish)) (lines []*managementv1.ArchiveRecord, last *managementv1.ArchiveRecord) {
	r.Helper()
	in, err := open(from)
	if err != nil {
		r.Fatal(err)
	}
	im := &importer{Service: r.Service, wish: wish{at: here}, in: in, say: func(one *managementv1.ArchiveRecord) error {
		lines = append(lines, one)
		return nil
	}}
	if edit != nil {
		edit(&im.wish)
	}
	last = im.last(im.run(r.Context()))
	return lines, last
}

// pausing reads an archive and does something before the line that begins with a text.
type pausing struct {
	rest   []byte
	before string
	do     func()
}

func (p *pausing) Read(into []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	line := p.rest
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = line[:i+1]
	}
	if p.do != nil && bytes.Contains(line, []byte(p.before)) {
		p.do()
	}
	n := copy(into, line)
	p.rest = p.rest[n:]
	return n, nil
}

func testKey(t *testing.T) archive.Key {
	t.Helper()
	key, err := archive.Bytes(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// keyed is an archive behind the line with testKey's key.
func keyed(text []byte) []byte {
	line := `{"key":"` + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)) + "\"}\n"
	return append([]byte(line), text...)
}
