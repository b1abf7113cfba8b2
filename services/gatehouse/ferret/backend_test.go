package gatehouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/FerretDB/FerretDB/internal/backends"
	"github.com/FerretDB/FerretDB/internal/backends/sqlite"
	"github.com/FerretDB/FerretDB/internal/handler/common"
	"github.com/FerretDB/FerretDB/internal/handler/sjson"
	"github.com/FerretDB/FerretDB/internal/types"
	"github.com/FerretDB/FerretDB/internal/util/iterator"
	"github.com/FerretDB/FerretDB/internal/util/state"
)

func address(dir string) string {
	u := url.URL{
		Scheme: "file", Path: filepath.ToSlash(dir) + "/",
		RawQuery: url.Values{"_pragma": {"busy_timeout(10000)", "journal_mode(wal)"}}.Encode(),
	}
	return u.String()
}

// open returns the backend of a folder, and FerretDB's own behind it.
func open(t testing.TB, dir string) (*backend, backends.Backend) {
	t.Helper()
	provider, err := state.NewProvider("")
	if err != nil {
		t.Fatal(err)
	}
	inner, err := sqlite.NewBackend(&sqlite.NewBackendParams{
		URI: address(dir), L: slog.New(slog.DiscardHandler), P: provider, BatchSize: 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	b, err := newBackend(inner, address(dir))
	if err != nil {
		t.Fatal(err)
	}
	return b, inner
}

func collectionOf(t testing.TB, b backends.Backend, name string) backends.Collection {
	t.Helper()
	d, err := b.Database("d")
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.Collection(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func doc(t testing.TB, pairs ...any) *types.Document {
	t.Helper()
	d, err := types.NewDocument(pairs...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func array(t testing.TB, values ...any) *types.Array {
	t.Helper()
	a, err := types.NewArray(values...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// selected returns the identifiers of what a filter selects, as FerretDB's handler works it out, and how many documents
// it had to look at.
func selected(t *testing.T, c backends.Collection, filter *types.Document) (ids []string, looked int) {
	t.Helper()
	result, err := c.Query(t.Context(), &backends.QueryParams{Filter: filter})
	if err != nil {
		t.Fatal(err)
	}
	defer result.Iter.Close()
	for {
		_, d, err := result.Iter.Next()
		if errors.Is(err, iterator.ErrIteratorDone) {
			slices.Sort(ids)
			return ids, looked
		}
		if err != nil {
			t.Fatal(err)
		}
		looked++
		matches, err := common.FilterDocument(d, filter)
		if err != nil {
			t.Fatal(err)
		}
		if matches {
			id, _ := d.Get("_id")
			ids = append(ids, fmt.Sprintf("%T %v", id, id))
		}
	}
}

// values are what members of documents and filters are drawn from: of every type, and near one another.
func values(t *testing.T) []any {
	t.Helper()
	return []any{
		"", "a", "b", "ab", "a b", "A", "5", "[", `["a"]`, "{", `"quoted"`, `back\slash`, "<&>", "ä", "\u2028", "😀", "a\x00b", "true",
		int32(0), int32(1), int32(5), int32(-5), int64(0), int64(5), int64(1) << 53, int64(1)<<53 + 1, int64(-1) << 60,
		0.0, 5.0, 5.5, 1e21, -1e-7, 9007199254740992.0, true, false, types.Null,
		time.UnixMilli(0).UTC(), time.UnixMilli(5).UTC(), time.UnixMilli(1790000000000).UTC(), time.UnixMilli(-5).UTC(),
		types.ObjectID{1, 2, 3}, types.ObjectID{}, array(t), array(t, "a"), array(t, int32(5), "b"), array(t, array(t, "a")),
		doc(t), doc(t, "x", int32(5)), types.Binary{B: []byte{1}}, types.Timestamp(5),
	}
}

// Whatever a filter asks, it selects what it selects without indexes.
func TestIndexesHideNoDocument(t *testing.T) {
	b, inner := open(t, t.TempDir())
	defer b.Close()
	c, plainly := collectionOf(t, b, "things"), collectionOf(t, inner, "things")
	all := values(t)
	random := rand.New(rand.NewPCG(1, 2))
	pick := func() any { return all[random.IntN(len(all))] }

	indexes := []backends.IndexInfo{
		{Name: "ab", Key: []backends.IndexKeyPair{{Field: "a"}, {Field: "b"}}},
		{Name: "b", Key: []backends.IndexKeyPair{{Field: "b", Descending: true}}},
		{Name: "nested", Key: []backends.IndexKeyPair{{Field: "c.d"}}},
		{Name: "key", Key: []backends.IndexKeyPair{{Field: "key"}}, Unique: true},
	}
	if _, err := c.CreateIndexes(t.Context(), &backends.CreateIndexesParams{Indexes: indexes}); err != nil {
		t.Fatal(err)
	}
	var stored []*types.Document
	ids := map[string]bool{}
	for i := range 200 {
		id := pick()
		switch id.(type) {
		case *types.Array, *types.Document, types.Binary, types.Timestamp, types.NullType:
			id = int32(i)
		}
		text, err := sjson.MarshalSingleValue(id)
		if err != nil {
			t.Fatal(err)
		}
		if ids[string(text)] {
			id = int32(1000 + i)
		}
		ids[string(text)] = true
		d := doc(t, "_id", id, "key", int32(i))
		for _, name := range []string{"a", "b", "c"} {
			if random.IntN(5) > 0 {
				d.Set(name, pick())
			}
		}
		stored = append(stored, d)
	}
	if _, err := c.InsertAll(t.Context(), &backends.InsertAllParams{Docs: stored}); err != nil {
		t.Fatal(err)
	}

	used := 0
	operators := []string{"$eq", "$gt", "$gte", "$lt", "$lte", "$ne", "$in", "$in"}
	for range 700 {
		filter := doc(t)
		for _, name := range []string{"_id", "a", "b", "key", "c"} {
			switch random.IntN(5) {
			case 0:
				filter.Set(name, pick())
			case 1:
				asked := doc(t)
				for range 1 + random.IntN(2) {
					operator := operators[random.IntN(len(operators))]
					if operator == "$in" {
						asked.Set(operator, array(t, pick(), pick(), pick()))
						continue
					}
					value := pick()
					asked.Set(operator, value)
					if _, ok := value.(*types.Document); ok {
						break // FerretDB looks at nothing that stands behind it
					}
				}
				filter.Set(name, asked)
			}
		}
		if random.IntN(4) == 0 {
			filter = doc(t, "$and", array(t, filter, doc(t, "a", pick())))
		}
		want, most, ok := attempt(t, plainly, filter)
		if !ok {
			continue // FerretDB refuses it
		}
		got, looked, _ := attempt(t, c, filter)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("filter %v (-without indexes +with):\n%s", types.FormatAnyValue(filter), diff)
		}
		if looked < most {
			used++
		}
	}
	if used < 150 {
		t.Errorf("only %d of 700 filters used an index", used)
	}
}

// attempt is selected where the filter is one that FerretDB takes.
func attempt(t *testing.T, c backends.Collection, filter *types.Document) (ids []string, looked int, ok bool) {
	t.Helper()
	if _, err := common.FilterDocument(doc(t, "_id", "", "a", "", "b", "", "c", "", "key", ""), filter); err != nil {
		return nil, 0, false
	}
	ids, looked = selected(t, c, filter)
	return ids, looked, true
}

func TestAnIndexIsFoundAgainWhateverHappensToItsCollection(t *testing.T) {
	dir := t.TempDir()
	b, inner := open(t, dir)
	ctx := t.Context()
	index := &backends.CreateIndexesParams{Indexes: []backends.IndexInfo{{Name: "a", Key: []backends.IndexKeyPair{{Field: "a"}}}}}
	fill := func(t *testing.T, c backends.Collection) {
		t.Helper()
		var docs []*types.Document
		for i := range 50 {
			docs = append(docs, doc(t, "_id", fmt.Sprint(i), "a", int32(i)))
		}
		if _, err := c.InsertAll(ctx, &backends.InsertAllParams{Docs: docs}); err != nil {
			t.Fatal(err)
		}
	}
	looks := func(t *testing.T, c backends.Collection, filter *types.Document, want string) {
		t.Helper()
		if ids, looked := selected(t, c, filter); len(ids) != 1 || looked != 1 {
			t.Errorf("found %v among %d documents, want one", ids, looked)
		}
		result, err := c.Explain(ctx, &backends.ExplainParams{Filter: filter})
		if err != nil {
			t.Fatal(err)
		}
		plan, err := result.QueryPlanner.Get("Plan")
		if err != nil {
			t.Fatal(err)
		}
		if text := types.FormatAnyValue(plan); !strings.Contains(text, want) {
			t.Errorf("plan %s, want %s", text, want)
		}
	}
	const byIndex, all = "SEARCH", "SCAN"
	byID, byMember := doc(t, "_id", "7", "a", int32(7)), doc(t, "a", int32(7))

	c := collectionOf(t, b, "things")
	fill(t, c)
	looks(t, c, byID, byIndex)
	looks(t, c, byMember, all)
	if _, err := c.CreateIndexes(ctx, index); err != nil {
		t.Fatal(err)
	}
	looks(t, c, byMember, byIndex)
	if _, err := c.DropIndexes(ctx, &backends.DropIndexesParams{Indexes: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	looks(t, c, byMember, all)

	// A name means another collection after a renaming, and the first one's table stays under the new name.
	d, err := b.Database("d")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.RenameCollection(ctx, &backends.RenameCollectionParams{OldName: "things", NewName: "others"}); err != nil {
		t.Fatal(err)
	}
	if ids, _ := selected(t, c, byID); ids != nil {
		t.Errorf("the old name still finds %v", ids)
	}
	looks(t, collectionOf(t, b, "others"), byID, byIndex)
	if err := d.DropCollection(ctx, &backends.DropCollectionParams{Name: "others"}); err != nil {
		t.Fatal(err)
	}
	if ids, _ := selected(t, collectionOf(t, b, "others"), byID); ids != nil {
		t.Errorf("a collection that was dropped still has %v", ids)
	}

	// A database that was deleted begins anew.
	fill(t, c)
	if err := b.DropDatabase(ctx, &backends.DropDatabaseParams{Name: "d"}); err != nil {
		t.Fatal(err)
	}
	if ids, _ := selected(t, c, byID); ids != nil {
		t.Errorf("a database that was dropped still has %v", ids)
	}
	fill(t, c)
	looks(t, c, byID, byIndex)

	// What FerretDB alone has made gets its indexes when it is opened.
	bare := collectionOf(t, inner, "bare")
	fill(t, bare)
	if _, err := bare.CreateIndexes(ctx, index); err != nil {
		t.Fatal(err)
	}
	b.Close()
	again, _ := open(t, dir)
	defer again.Close()
	for _, name := range []string{"things", "bare"} {
		looks(t, collectionOf(t, again, name), byID, byIndex)
	}
	looks(t, collectionOf(t, again, "bare"), byMember, byIndex)
}

func TestAQueryEndsWithItsContext(t *testing.T) {
	b, _ := open(t, t.TempDir())
	defer b.Close()
	c := collectionOf(t, b, "things")
	if _, err := c.InsertAll(t.Context(), &backends.InsertAllParams{Docs: []*types.Document{doc(t, "_id", "1")}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result, err := c.Query(ctx, &backends.QueryParams{Filter: doc(t, "_id", "1", "a", types.Null)})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, _, err := result.Iter.Next(); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	if _, _, err := result.Iter.Next(); !errors.Is(err, iterator.ErrIteratorDone) {
		t.Errorf("error %v, want %v", err, iterator.ErrIteratorDone)
	}
}
