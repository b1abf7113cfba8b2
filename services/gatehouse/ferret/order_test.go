package gatehouse

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/FerretDB/wire"
	"github.com/google/go-cmp/cmp"

	"github.com/FerretDB/FerretDB/internal/backends"
	"github.com/FerretDB/FerretDB/internal/bson"
	"github.com/FerretDB/FerretDB/internal/handler/common"
	"github.com/FerretDB/FerretDB/internal/types"
	"github.com/FerretDB/FerretDB/internal/util/iterator"
)

// firstOf returns what the first documents in an order are sorted by, as FerretDB's handler works it out, and how many
// documents it had to look at.
func firstOf(ctx context.Context, t *testing.T, c backends.Collection, filter, sort *types.Document, most int) (found []string, looked int) {
	t.Helper()
	o := &order{collection: "things", filter: filter, most: int64(most)}
	for i, name := range sort.Keys() {
		o.by = append(o.by, sorting{name, sort.Values()[i].(int64) < 0})
	}
	result, err := c.Query(context.WithValue(ctx, orderKey{}, o), &backends.QueryParams{Filter: filter})
	if err != nil {
		t.Fatal(err)
	}
	defer result.Iter.Close()
	var selected []*types.Document
	for {
		_, d, err := result.Iter.Next()
		if errors.Is(err, iterator.ErrIteratorDone) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		looked++
		if ok, err := common.FilterDocument(d, filter); err != nil {
			t.Fatal(err)
		} else if ok {
			selected = append(selected, d)
		}
	}
	if err := common.SortDocuments(selected, sort); err != nil {
		t.Fatal(err)
	}
	for _, d := range selected[:min(most, len(selected))] {
		text := ""
		for _, name := range sort.Keys() {
			value, _ := d.Get(name)
			if value == nil {
				value = types.Null
			}
			text += strings.TrimSuffix(types.FormatAnyValue(value), ".0") + " " // 5.0 and 5 are equal
		}
		found = append(found, text)
	}
	return found, looked
}

var ordered = []backends.IndexInfo{
	{Name: "number", Key: []backends.IndexKeyPair{{Field: "number"}, {Field: "word"}}},
	{Name: "word", Key: []backends.IndexKeyPair{{Field: "word"}}},
	{Name: "group", Key: []backends.IndexKeyPair{{Field: "group"}, {Field: "at"}, {Field: "_id"}}},
	{Name: "any", Key: []backends.IndexKeyPair{{Field: "any"}}},
}

// Whatever the order, the first documents are those that they are without indexes.
func TestIndexesChangeNoOrder(t *testing.T) {
	b, inner := open(t, t.TempDir())
	defer b.Close()
	c, plainly := collectionOf(t, b, "things"), collectionOf(t, inner, "things")
	if _, err := c.CreateIndexes(t.Context(), &backends.CreateIndexesParams{Indexes: ordered}); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...any) any { return from[random.IntN(len(from))] }
	// An array is sorted by its largest or smallest element, and may be equal to what looks different.
	plain := slices.DeleteFunc(values(t), func(v any) bool { _, is := v.(*types.Array); return is })
	drawn := map[string]func() any{
		"number": func() any {
			return pick(int32(random.IntN(20)), int64(random.IntN(20)), int64(1)<<53+int64(random.IntN(3)), int64(-1)<<60, types.Null)
		},
		"word": func() any {
			return pick("", "a", "B", "ab", "ä", "😀", "\ufffd", "a\x01", `"`, "<", fmt.Sprint(random.IntN(50)))
		},
		"group": func() any { return pick("x", "y", "z") },
		"at":    func() any { return time.UnixMilli(int64(random.IntN(40) - 20)) },
		"any":   func() any { return pick(plain...) },
	}
	id := 0
	document := func() *types.Document {
		id++
		d := doc(t, "_id", int64(id*7919%1000))
		for _, name := range []string{"number", "word", "group", "at", "any"} {
			if name == "group" || random.IntN(5) > 0 {
				d.Set(name, drawn[name]())
			}
		}
		return d
	}
	insert := func(n int) {
		t.Helper()
		var some []*types.Document
		for range n {
			some = append(some, document())
		}
		if _, err := c.InsertAll(t.Context(), &backends.InsertAllParams{Docs: some}); err != nil {
			t.Fatal(err)
		}
	}
	insert(300)
	used, names := 0, []string{"_id", "number", "word", "group", "at", "any"}
	for round := range 600 {
		if round%50 == 49 {
			insert(2)
		}
		filter, sort := doc(t), doc(t)
		if random.IntN(2) == 0 {
			filter.Set("group", "x")
		}
		if random.IntN(4) == 0 {
			name := names[1+random.IntN(5)]
			filter.Set(name, doc(t, pick("$gt", "$gte", "$lt", "$ne", "$eq").(string), drawn[name]()))
		}
		for range 1 + random.IntN(2) {
			sort.Set(names[random.IntN(len(names))], pick(int64(1), int64(-1)))
		}
		if _, err := common.FilterDocument(doc(t, "group", "", "any", ""), filter); err != nil {
			continue // FerretDB refuses it
		}
		most := 1 + random.IntN(12)
		want, all := firstOf(t.Context(), t, plainly, filter, sort, most)
		got, looked := firstOf(t.Context(), t, c, filter, sort, most)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("filter %v, order %v (-without indexes +with):\n%s", types.FormatAnyValue(filter), types.FormatAnyValue(sort), diff)
		}
		if looked <= most && looked < all {
			used++
		}
	}
	if used < 200 {
		t.Errorf("only %d of 600 orders used an index", used)
	}
}

// A member that may be sorted by stops being one when a value of another kind is written, and not before.
func TestAnOrderIsFerretDBsWhereValuesAreOfManyKinds(t *testing.T) {
	ctx := t.Context()
	first := doc(t, "word", int64(1))
	for name, write := range map[string]func(c backends.Collection, d *types.Document) error{
		"inserted": func(c backends.Collection, d *types.Document) error {
			d.Set("_id", "new")
			_, err := c.InsertAll(ctx, &backends.InsertAllParams{Docs: []*types.Document{d}})
			return err
		},
		"updated": func(c backends.Collection, d *types.Document) error {
			d.Set("_id", "7")
			_, err := c.UpdateAll(ctx, &backends.UpdateAllParams{Docs: []*types.Document{d}})
			return err
		},
	} {
		for _, value := range []any{
			int32(5), 5.0, true, array(t, "a"), doc(t), types.ObjectID{}, types.Binary{B: []byte{1}}, time.UnixMilli(5), types.Timestamp(5), types.Regex{}, "a\x00b",
		} {
			t.Run(fmt.Sprintf("%s %T", name, value), func(t *testing.T) {
				dir := t.TempDir()
				b, inner := open(t, dir)
				c := collectionOf(t, b, "things")
				if _, err := c.CreateIndexes(ctx, &backends.CreateIndexesParams{Indexes: ordered}); err != nil {
					t.Fatal(err)
				}
				var some []*types.Document
				for i := range 20 {
					some = append(some, doc(t, "_id", fmt.Sprint(i), "word", fmt.Sprint("word", i)))
				}
				if _, err := c.InsertAll(ctx, &backends.InsertAllParams{Docs: some}); err != nil {
					t.Fatal(err)
				}
				if _, looked := firstOf(ctx, t, c, doc(t), first, 1); looked != 1 {
					t.Errorf("looked at %d documents of one kind, want 1", looked)
				}
				if err := write(c, doc(t, "word", value)); err != nil {
					t.Fatal(err)
				}
				want, all := firstOf(ctx, t, collectionOf(t, inner, "things"), doc(t), first, 1)
				for _, when := range []string{"at once", "after a restart"} {
					got, looked := firstOf(ctx, t, c, doc(t), first, 1)
					if diff := cmp.Diff(want, got); diff != "" || looked != all {
						t.Errorf("%s: looked at %d documents, want %d (-want +got):\n%s", when, looked, all, diff)
					}
					if when == "at once" {
						b.Close()
						b, _ = open(t, dir)
						defer b.Close()
						c = collectionOf(t, b, "things")
					}
				}
			})
		}
	}
}

// Who asked first may give up; what was looked at for them serves the next.
func TestKindsAreLookedAtToTheEnd(t *testing.T) {
	b, _ := open(t, t.TempDir())
	defer b.Close()
	c := collectionOf(t, b, "things")
	if _, err := c.InsertAll(t.Context(), &backends.InsertAllParams{Docs: []*types.Document{doc(t, "_id", int64(1))}}); err != nil {
		t.Fatal(err)
	}
	f := c.(*collection).file
	table, err := f.table(t.Context(), "things")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = f.look(ctx, table, []string{"_id"})
	for !table.kinds.whileOne([]string{"_id"}, func() {}) {
		runtime.Gosched()
	}
}

// Whoever asks while values of another kind are written gets an order that was right before or after.
func TestAnOrderIsRightWhileOtherKindsAreWritten(t *testing.T) {
	b, _ := open(t, t.TempDir())
	defer b.Close()
	c := collectionOf(t, b, "things")
	if _, err := c.CreateIndexes(t.Context(), &backends.CreateIndexesParams{Indexes: ordered}); err != nil {
		t.Fatal(err)
	}
	insert := func(pairs ...any) {
		if _, err := c.InsertAll(t.Context(), &backends.InsertAllParams{Docs: []*types.Document{doc(t, pairs...)}}); err != nil {
			t.Error(err)
		}
	}
	insert("_id", "w", "word", "w")
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			if i%2 == 0 {
				insert("_id", fmt.Sprint(i), "word", true) // above every text, though SQLite has it below
			}
			// What was written before, by whom who asks, is seen.
			found, _ := firstOf(t.Context(), t, c, doc(t), doc(t, "word", int64(-1)), 1)
			if want := "true "; i%2 == 0 && (len(found) != 1 || found[0] != want) {
				t.Errorf("found %q, want %q", found, want)
			}
		})
	}
	wg.Wait()
}

// The documents of one group, however many, are not looked at to find those of the next.
func TestTheNextGroupIsFoundWithoutTheFirst(t *testing.T) {
	b, _ := open(t, t.TempDir())
	defer b.Close()
	c := collectionOf(t, b, "things")
	if _, err := c.CreateIndexes(t.Context(), &backends.CreateIndexesParams{Indexes: ordered}); err != nil {
		t.Fatal(err)
	}
	var some []*types.Document
	for i := range 100 {
		some = append(some, doc(t, "_id", int64(i), "group", "x"))
	}
	some = append(some, doc(t, "_id", int64(100), "group", "y"))
	if _, err := c.InsertAll(t.Context(), &backends.InsertAllParams{Docs: some}); err != nil {
		t.Fatal(err)
	}
	o := &order{collection: "things", by: []sorting{{"group", false}}, filter: doc(t, "group", doc(t, "$gt", "x")), most: 5}
	ctx := context.WithValue(t.Context(), orderKey{}, o)
	rows, inOrder := c.(*collection).file.query(ctx, "things", wish{asked: conditions(o.filter), order: o})
	if rows == nil || !inOrder {
		t.Fatal("no index is used")
	}
	defer func() { _ = rows.Close() }()
	n := 0
	for rows.Next() {
		n++
	}
	if err := rows.Err(); err != nil || n != 1 {
		t.Errorf("SQLite found %d documents, error %v, want 1", n, err)
	}
}

// An order that is wanted along an index is searched for there, whatever else there is.
func TestPlansOfOrders(t *testing.T) {
	b, _ := open(t, t.TempDir())
	defer b.Close()
	c := collectionOf(t, b, "things")
	if _, err := c.CreateIndexes(t.Context(), &backends.CreateIndexesParams{Indexes: ordered}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.InsertAll(t.Context(), &backends.InsertAllParams{Docs: []*types.Document{
		doc(t, "_id", int64(1), "group", "x", "at", time.UnixMilli(5), "word", "w", "number", int64(5)),
	}}); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		filter *types.Document
		by     []sorting
		want   string // in the plan
		not    string
	}{
		"the newest by identifier":          {doc(t), []sorting{{"_id", true}}, "_id.value", "TEMP B-TREE"},
		"the newest above a bound":          {doc(t, "_id", doc(t, "$gt", int64(5))), []sorting{{"_id", true}}, "SEARCH", "TEMP B-TREE"},
		"the newest of a group":             {doc(t, "group", "x"), []sorting{{"at", true}, {"_id", true}}, "LAST TERM OF ORDER BY", "SCAN"},
		"the next group":                    {doc(t, "group", doc(t, "$gt", "x")), []sorting{{"group", false}}, "(<expr>>?)", "TEMP B-TREE"},
		"by two members of an index":        {doc(t), []sorting{{"number", false}, {"word", false}}, "_number", "TEMP B-TREE"},
		"by the other way round of one":     {doc(t), []sorting{{"number", false}, {"word", true}}, "LAST TERM OF ORDER BY", "SEARCH"},
		"by a member that has no index":     {doc(t), []sorting{{"at", true}}, "SCAN", "INDEX"},
		"of some groups FerretDB takes all": {doc(t, "group", doc(t, "$in", array(t, "x", "y"))), []sorting{{"at", true}}, "SEARCH", "ORDER BY"},
	} {
		t.Run(name, func(t *testing.T) {
			o := &order{collection: "things", by: tt.by, filter: tt.filter, most: 1}
			result, err := c.Explain(context.WithValue(t.Context(), orderKey{}, o), &backends.ExplainParams{Filter: tt.filter})
			if err != nil {
				t.Fatal(err)
			}
			plan, _ := result.QueryPlanner.Get("Plan")
			if text := types.FormatAnyValue(plan); !strings.Contains(text, tt.want) || strings.Contains(text, tt.not) {
				t.Errorf("plan %s, want %q in it and not %q", text, tt.want, tt.not)
			}
		})
	}
}

func TestOrdersOfFinds(t *testing.T) {
	sort := func(pairs ...any) *types.Document { return doc(t, pairs...) }
	for name, tt := range map[string]struct {
		pairs []any
		want  string
	}{
		"the first few in an order":   {[]any{"sort", sort("at", int32(-1), "_id", int32(1)), "limit", int64(5)}, "[{at true} {_id false}] 5"},
		"those behind some":           {[]any{"sort", sort("at", int32(1)), "skip", int64(20), "limit", int64(5)}, "[{at false}] 25"},
		"all in an order":             {[]any{"sort", sort("at", int32(1))}, ""},
		"no bound":                    {[]any{"sort", sort("at", int32(1)), "limit", int64(0)}, ""},
		"no order":                    {[]any{"limit", int64(5)}, ""},
		"an order by a member inside": {[]any{"sort", sort("a.b", int32(1)), "limit", int64(5)}, ""},
		"an order by nothing":         {[]any{"sort", sort(), "limit", int64(5)}, ""},
		"a wrong order":               {[]any{"sort", sort("a", "up"), "limit", int64(5)}, ""},
		"the natural order":           {[]any{"sort", sort("$natural", int32(1)), "limit", int64(5)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			document, err := bson.FromDocument(doc(t, append([]any{"find", "things", "$db", "d"}, tt.pairs...)...))
			if err != nil {
				t.Fatal(err)
			}
			asked := ""
			find := withOrder(func(ctx context.Context, _ *wire.OpMsg) (*wire.OpMsg, error) {
				if o := orderIn(ctx, "things"); o != nil {
					asked = fmt.Sprint(o.by, o.most)
				}
				if orderIn(ctx, "others") != nil {
					t.Error("it is an order of another collection too")
				}
				return nil, nil
			})
			msg, err := wire.NewOpMsg(document)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := find(t.Context(), msg); err != nil {
				t.Fatal(err)
			}
			if asked != tt.want {
				t.Errorf("order %q, want %q", asked, tt.want)
			}
		})
	}
}
