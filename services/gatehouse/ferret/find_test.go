package gatehouse

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/FerretDB/wire"
	"github.com/FerretDB/wire/wirebson"

	"github.com/FerretDB/FerretDB/internal/backends"
	"github.com/FerretDB/FerretDB/internal/bson"
	"github.com/FerretDB/FerretDB/internal/clientconn/conninfo"
	"github.com/FerretDB/FerretDB/internal/clientconn/connmetrics"
	"github.com/FerretDB/FerretDB/internal/handler"
	"github.com/FerretDB/FerretDB/internal/types"
	"github.com/FerretDB/FerretDB/internal/util/state"
)

// The encoder writes what FerretDB writes.
func TestDocumentsAreEncodedAsFerretDBDoes(t *testing.T) {
	r := something{rand.New(rand.NewPCG(3, 4))}
	written := 0
	for range 20_000 {
		d := r.document(4)
		got, err := appendDocument(nil, d)
		if err != nil {
			continue // a name with a zero
		}
		tree, err := bson.FromDocument(d)
		if err != nil {
			t.Fatal(err)
		}
		want, err := tree.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("%s\nis\n%x\nand with FerretDB\n%x", types.FormatAnyValue(d), got, want)
		}
		written++
	}
	if written < 10_000 {
		t.Errorf("only %d documents were written", written)
	}
}

func TestNamesWithAZeroAreNotWritten(t *testing.T) {
	for name, d := range map[string]*types.Document{
		"a name":                    doc(t, "a\x00b", int32(1)),
		"a name inside of an array": doc(t, "a", array(t, doc(t, "\x00", "x"))),
		"an expression":             doc(t, "a", types.Regex{Pattern: "a\x00"}),
		"options of an expression":  doc(t, "a", types.Regex{Options: "\x00"}),
	} {
		if _, err := appendDocument(nil, d); err == nil {
			t.Errorf("%s is written", name)
		}
	}
}

// server is what a connection talks to: with our finds, and with FerretDB's alone.
type server struct {
	backend    *backend
	with       *finds
	find, more command
	kill       command
	ctx        context.Context
	end        context.CancelFunc
}

func serving(t testing.TB) *server {
	t.Helper()
	b, _ := open(t, t.TempDir())
	t.Cleanup(b.Close)
	provider, err := state.NewProvider("")
	if err != nil {
		t.Fatal(err)
	}
	h, err := handler.New(&handler.NewOpts{
		Backend: b, L: slog.New(slog.DiscardHandler), ConnMetrics: connmetrics.NewListenerMetrics().ConnMetrics, StateProvider: provider,
		CappedCleanupPercentage: 10, BatchSize: batchSize,
	})
	if err != nil {
		t.Fatal(err)
	}
	all := h.Commands()
	s := &server{backend: b, find: withOrder(all["find"].Handler), more: all["getMore"].Handler, kill: all["killCursors"].Handler}
	s.with = newFinds(b, s.find, s.more, s.kill)
	s.ctx, s.end = context.WithCancel(conninfo.Ctx(t.Context(), conninfo.New()))
	t.Cleanup(func() {
		s.end()
		h.Close()
	})
	return s
}

func (s *server) insert(t testing.TB, collection string, docs ...*types.Document) {
	t.Helper()
	if _, err := collectionOf(t, s.backend, collection).InsertAll(t.Context(), &backends.InsertAllParams{Docs: docs}); err != nil {
		t.Fatal(err)
	}
}

func request(t testing.TB, d *types.Document) *wire.OpMsg {
	t.Helper()
	raw, err := appendDocument(nil, d)
	if err != nil {
		t.Fatal(err)
	}
	m, err := wire.NewOpMsg(wirebson.RawDocument(raw))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// batchOf returns the documents of an answer, and its cursor.
func batchOf(t *testing.T, m *wire.OpMsg) (docs []string, id int64) {
	t.Helper()
	d, err := m.RawSection0().Decode()
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.Get("cursor").(wirebson.RawDocument).Decode()
	if err != nil {
		t.Fatal(err)
	}
	batch := c.Get("firstBatch")
	if batch == nil {
		batch = c.Get("nextBatch")
	}
	list, err := batch.(wirebson.RawArray).Decode()
	if err != nil {
		t.Fatal(err)
	}
	for v := range list.Values() {
		docs = append(docs, string(v.(wirebson.RawDocument)))
	}
	return docs, c.Get("id").(int64)
}

// all asks until there is no more. It returns the documents, and how many each answer had.
func (s *server) all(t *testing.T, find, more command, asked *types.Document) (docs []string, sizes []int, err error) {
	t.Helper()
	m, err := find(s.ctx, request(t, asked))
	if err != nil {
		return nil, nil, err
	}
	size, _ := asked.Get("batchSize")
	for {
		batch, id := batchOf(t, m)
		docs, sizes = append(docs, batch...), append(sizes, len(batch))
		if id == 0 {
			return docs, sizes, nil
		}
		next := doc(t, "getMore", id, "collection", "things", "$db", "d")
		if size != nil {
			next.Set("batchSize", size)
		}
		if m, err = more(s.ctx, request(t, next)); err != nil {
			return nil, nil, err
		}
	}
}

// Whatever is asked, the answers are those of FerretDB, document by document and byte by byte.
func TestFindsAreAnsweredAsFerretDBDoes(t *testing.T) {
	s := serving(t)
	r := something{rand.New(rand.NewPCG(5, 6))}
	list := values(t)
	pick := func() any { return list[r.IntN(len(list))] }
	c := collectionOf(t, s.backend, "things")
	indexes := []backends.IndexInfo{{Name: "b", Key: []backends.IndexKeyPair{{Field: "b"}}}, {Name: "n", Key: []backends.IndexKeyPair{{Field: "n"}}}}
	if _, err := c.CreateIndexes(t.Context(), &backends.CreateIndexesParams{Indexes: indexes}); err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		d := doc(t, "_id", fmt.Sprint(i), "n", int32(i%50), "a", pick(), "in", r.document(3))
		if _, err := appendDocument(nil, d); err != nil {
			continue
		}
		if r.IntN(3) > 0 {
			d.Set("b", pick())
		}
		s.insert(t, "things", d)
	}
	for range 400 {
		filter := doc(t)
		for _, name := range []string{"a", "b", "n", "in.a1"} {
			switch r.IntN(6) {
			case 0:
				filter.Set(name, pick())
			case 1:
				filter.Set(name, doc(t, []string{"$ne", "$gt", "$lte", "$exists", "$odd"}[r.IntN(5)], pick()))
			}
		}
		asked := doc(t, "find", "things", "filter", filter)
		for _, member := range []struct {
			name string
			v    any
		}{
			{"batchSize", int32([]int{0, 1, 7, 100, 1000}[r.IntN(5)])}, {"limit", int64(r.IntN(100))}, {"singleBatch", r.IntN(2) == 0},
			{"sort", doc(t, "n", int32(1))}, {"skip", int64(r.IntN(3))}, {"projection", doc(t, "a", int32(1))}, {"maxTimeMS", int64(60_000)},
		} {
			if r.IntN(4) == 0 {
				asked.Set(member.name, member.v)
			}
		}
		asked.Set("$db", "d")
		want, wantSizes, refused := s.all(t, s.find, s.more, asked)
		got, gotSizes, err := s.all(t, s.with.Find, s.with.GetMore, asked)
		if fmt.Sprint(err) != fmt.Sprint(refused) {
			t.Fatalf("%s: %v, and with FerretDB %v", types.FormatAnyValue(asked), err, refused)
		}
		if !slices.Equal(got, want) || !slices.Equal(gotSizes, wantSizes) {
			t.Fatalf("%s: %d documents in %v, and with FerretDB %d in %v", types.FormatAnyValue(asked), len(got), gotSizes, len(want), wantSizes)
		}
	}
	if n := s.with.last - firstCursor; n < 20 {
		t.Errorf("only %d finds had a cursor of ours", n)
	}
	if len(s.with.cursors) != 0 {
		t.Errorf("%d cursors were left", len(s.with.cursors))
	}
}

// begun is a cursor of ours with documents to come.
func (s *server) begun(t *testing.T) int64 {
	t.Helper()
	m, err := s.with.Find(s.ctx, request(t, doc(t, "find", "things", "batchSize", int32(1), "$db", "d")))
	if err != nil {
		t.Fatal(err)
	}
	_, id := batchOf(t, m)
	if id <= firstCursor {
		t.Fatalf("cursor %d is none of ours", id)
	}
	return id
}

func TestACursorEnds(t *testing.T) {
	more := func(t *testing.T, s *server, id int64) error {
		t.Helper()
		_, err := s.with.GetMore(conninfo.Ctx(t.Context(), conninfo.New()), request(t, doc(t, "getMore", id, "collection", "things", "$db", "d")))
		return err
	}
	fresh := func(t *testing.T) (*server, int64) {
		t.Helper()
		s := serving(t)
		s.insert(t, "things", doc(t, "_id", "1"), doc(t, "_id", "2"), doc(t, "_id", "3"))
		return s, s.begun(t)
	}
	t.Run("when it is killed", func(t *testing.T) {
		s, id := fresh(t)
		m, err := s.with.KillCursors(s.ctx, request(t, doc(t, "killCursors", "things", "cursors", array(t, id), "$db", "d")))
		if err != nil {
			t.Fatal(err)
		}
		d, err := bson.ToDocument(m.RawSection0())
		if err != nil {
			t.Fatal(err)
		}
		if killed, _ := d.Get("cursorsKilled"); types.FormatAnyValue(killed) != types.FormatAnyValue(array(t, id)) {
			t.Errorf("killed are %s", types.FormatAnyValue(killed))
		}
		if err := more(t, s, id); err == nil || !strings.Contains(err.Error(), "not found") {
			t.Errorf("more of it: %v", err)
		}
	})
	t.Run("with its connection", func(t *testing.T) {
		s, id := fresh(t)
		c := s.with.cursor(id)
		s.end()
		<-c.documents.ctx.Done()
		for s.with.cursor(id) != nil { // until that has been noticed
			runtime.Gosched()
		}
		if err := more(t, s, id); err == nil {
			t.Error("there is more of it")
		}
	})
	t.Run("with its last document", func(t *testing.T) {
		s, id := fresh(t)
		if err := more(t, s, id); err != nil {
			t.Fatal(err)
		}
		if err := more(t, s, id); err == nil || !strings.Contains(err.Error(), "not found") {
			t.Errorf("more of it: %v", err)
		}
	})
	t.Run("not for who asks in another collection or for too long", func(t *testing.T) {
		s, id := fresh(t)
		for _, odd := range []*types.Document{
			doc(t, "getMore", id, "collection", "others", "$db", "d"), doc(t, "getMore", id, "collection", "things", "$db", "e"),
			doc(t, "getMore", id, "collection", int32(5), "$db", "d"), doc(t, "getMore", id, "$db", "d"),
			doc(t, "getMore", id, "collection", "things", "maxTimeMS", int64(5), "$db", "d"),
			doc(t, "getMore", id, "collection", "things", "batchSize", int32(-5), "$db", "d"),
		} {
			if _, err := s.with.GetMore(s.ctx, request(t, odd)); err == nil {
				t.Errorf("%s is answered", types.FormatAnyValue(odd))
			}
		}
		if err := more(t, s, id); err != nil {
			t.Errorf("and then: %v", err)
		}
	})
	t.Run("with each document given once, whoever asks", func(t *testing.T) {
		s := serving(t)
		var docs []*types.Document
		for i := range 500 {
			docs = append(docs, doc(t, "_id", fmt.Sprint(i)))
		}
		s.insert(t, "things", docs...)
		id := s.begun(t)
		var mu sync.Mutex
		seen := map[string]int{}
		var asking sync.WaitGroup
		for range 32 {
			asking.Go(func() {
				for {
					m, err := s.with.GetMore(s.ctx, request(t, doc(t, "getMore", id, "collection", "things", "batchSize", int32(3), "$db", "d")))
					if err != nil {
						return // somebody else has had the last one
					}
					found, next := batchOf(t, m)
					mu.Lock()
					for _, d := range found {
						seen[d]++
					}
					mu.Unlock()
					if next == 0 {
						return
					}
				}
			})
		}
		asking.Wait()
		for d, n := range seen {
			if n != 1 {
				t.Errorf("%q came %d times", d, n)
			}
		}
		if len(seen) != 499 {
			t.Errorf("%d documents came, want all but the first", len(seen))
		}
	})
}

func TestAnAnswerHasSixteenMegabytesAtMost(t *testing.T) {
	s := serving(t)
	large := strings.Repeat("x", 5<<20)
	for i := range 5 {
		s.insert(t, "things", doc(t, "_id", fmt.Sprint(i), "text", large))
	}
	_, sizes, err := s.all(t, s.with.Find, s.with.GetMore, doc(t, "find", "things", "batchSize", int32(100), "$db", "d"))
	if err != nil || !slices.Equal(sizes, []int{3, 2}) {
		t.Errorf("answers of %v documents, %v", sizes, err)
	}
}

// BenchmarkFind reads a thousand documents of the size of an application: as it is now, and with FerretDB alone.
func BenchmarkFind(b *testing.B) {
	s := serving(b)
	docs := make([]*types.Document, 1000)
	for i := range docs {
		var scopes []any
		for n := range 3 {
			scopes = append(scopes, doc(b, "scope", fmt.Sprint("scope", n), "defaultScope", true))
		}
		oauth := doc(b, "clientId", fmt.Sprint("client-", i), "redirectUris", array(b, "https://app.example/callback", "https://app.example/silent"),
			"grantTypes", array(b, "authorization_code", "refresh_token"), "scopeSettings", array(b, scopes...))
		for n := range 20 {
			oauth.Set(fmt.Sprint("member", n), "a text of some length "+fmt.Sprint(i))
		}
		docs[i] = doc(b, "_id", fmt.Sprint(i), "name", fmt.Sprint("application ", i), "revision", int64(i), "settings", doc(b, "oauth", oauth))
	}
	s.insert(b, "things", docs...)
	asked := doc(b, "find", "things", "filter", doc(b, "_gone", doc(b, "$ne", true)), "batchSize", int32(1000), "$db", "d")
	for name, find := range map[string]command{"encoded": s.with.Find, "FerretDB": s.find} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				m, err := find(s.ctx, request(b, asked))
				if err != nil {
					b.Fatal(err)
				}
				if len(m.RawSection0()) < 1000*1000 {
					b.Fatal("an answer too short")
				}
			}
		})
	}
}
