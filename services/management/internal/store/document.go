package store

import (
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// The store's own members of a document.
const (
	memberSort   = "_sort"
	memberSearch = "_search"
	memberUnique = "_unique_"
	memberSet    = "_set"
	memberBefore = "_before"
	memberGone   = "_gone"
)

// Where a catalog.Any says what a kind is, these say what is stored of it.
type traits struct {
	collection string
	kind       string
	fresh      func() resource.Resource
	unique     func(resource.Resource) []catalog.UniqueValue
	sort       func(resource.Resource) string
	search     func(resource.Resource) []string
	// more are further members by which documents are found, beside those above; nil for none.
	more func(resource.Resource) map[string]any
	name func(resource.Resource) string
}

func traitsOf(k catalog.Any) traits {
	d := k.Descriptor()
	return traits{
		collection: d.Path,
		kind:       d.Arm,
		fresh:      k.NewResource,
		unique:     k.UniqueValues,
		sort:       k.SortText,
		search:     k.SearchText,
		name:       k.NameOf,
	}
}

// encode returns the document of a resource.
func (s *Store) encode(t traits, r resource.Resource) (bson.M, error) {
	tree, err := s.dialect.Encode(r)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", resource.KeyOf(r), err)
	}
	doc := bson.M(tree)
	doc[memberSort] = t.sort(r)
	doc[memberSearch] = catalog.Searchable(t.search(r))
	for _, u := range t.unique(r) {
		doc[memberUnique+u.Name] = u.Value
	}
	if t.more != nil {
		for name, value := range t.more(r) {
			doc[name] = value
		}
	}
	return doc, nil
}

// decode returns the resource of a document.
func (s *Store) decode(t traits, doc bson.D) (resource.Resource, error) {
	return decodeIn(s.dialect, t, doc)
}

func decodeIn(dialect *prototree.Dialect, t traits, doc bson.D) (resource.Resource, error) {
	tree := make(prototree.Object, len(doc))
	for _, e := range doc {
		if e.Key == "_id" || !strings.HasPrefix(e.Key, "_") {
			tree[e.Key] = plain(e.Value)
		}
	}
	r := t.fresh()
	if err := dialect.Decode(tree, r); err != nil {
		return nil, fmt.Errorf("decode %s %v: %w", t.kind, tree["_id"], err)
	}
	return r, nil
}

// decodeRaw is decode of a document as the database sent it.
func (s *Store) decodeRaw(t traits, raw bson.Raw) (resource.Resource, error) {
	if r := t.fresh(); s.dialect.DecodeBSON(raw, r) {
		return r, nil
	}
	var doc bson.D
	if err := bson.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("decode %s: %w", t.kind, err)
	}
	return s.decode(t, doc)
}

// plain turns the driver's values into those of a tree.
func plain(v any) any {
	switch v := v.(type) {
	case bson.D:
		o := make(prototree.Object, len(v))
		for _, e := range v {
			o[e.Key] = plain(e.Value)
		}
		return o
	case bson.A:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plain(v[i])
		}
		return list
	case bson.DateTime:
		return v.Time().UTC()
	case time.Time:
		return v.UTC()
	case bson.Binary:
		return v.Data
	}
	return v
}

// member returns a member of a document, or nil.
func member(doc bson.D, name string) any {
	for _, e := range doc {
		if e.Key == name {
			return e.Value
		}
	}
	return nil
}

func revisionOf(doc bson.D) int64 {
	switch n := member(doc, "revision").(type) {
	case int64:
		return n
	case int32:
		return int64(n)
	}
	return 0
}

// truth reports whether a switch of the store is on.
func truth(doc bson.D, name string) bool {
	on, _ := member(doc, name).(bool)
	return on
}

// searchPattern matches texts that equal q in any case; `*` stands for any characters.
func searchPattern(q string) bson.Regex { return bson.Regex{Pattern: catalog.SearchPattern(q)} }
