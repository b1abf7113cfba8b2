package gatehouse

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/FerretDB/FerretDB/internal/types"
	"github.com/FerretDB/FerretDB/internal/util/lazyerrors"
)

// kind is a type of values that SQLite sorts among themselves as FerretDB does. No value, and null, stand before all of
// them on both sides.
type kind int

const (
	none    kind = iota // nothing but null
	number              // whole ones; of the others, not all that differ in FerretDB do so in SQLite
	moment              // SQLite has milliseconds
	words               // both compare bytes
	various             // of more than one kind, or something else
)

func (k kind) and(other kind) kind {
	switch {
	case k == none, k == other:
		return other
	case other == none:
		return k
	default:
		return various
	}
}

// kindOf is the kind of a value in a document that is written; nil is no value.
func kindOf(value any) kind {
	switch v := value.(type) {
	case nil, types.NullType:
		return none
	case int32, int64:
		return number
	case time.Time:
		return moment
	case string:
		if strings.ContainsRune(v, 0) {
			return various // SQLite's texts may end there
		}
		return words
	default:
		return various
	}
}

// kindOfStored is kindOf by the name of a type in a stored document.
func kindOfStored(name sql.NullString, zero bool) kind {
	switch {
	case !name.Valid, name.String == "null":
		return none
	case name.String == "int", name.String == "long":
		return number
	case name.String == "date":
		return moment
	case name.String == "string" && !zero:
		return words
	default:
		return various
	}
}

// kinds knows of some members of a collection's documents which kind their values have, at least. They are looked at once,
// when they are asked for the first time, and with every document that is written from then on. Deletions are not noticed.
type kinds struct {
	mu sync.RWMutex
	of map[string]kind
	// looking are those that are just being looked at: what is known of them is not all.
	looking map[string]bool
}

// note looks at documents that are about to be written.
func (k *kinds) note(documents []*types.Document) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for member, was := range k.of {
		if was == various {
			continue
		}
		for _, d := range documents {
			value, _ := d.Get(member)
			was = was.and(kindOf(value))
		}
		k.of[member] = was
	}
}

// unknown returns those of some members that are not noted.
func (k *kinds) unknown(members []string) (unknown []string) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for _, m := range members {
		if _, known := k.of[m]; !known && !slices.Contains(unknown, m) {
			unknown = append(unknown, m)
		}
	}
	return unknown
}

// follow begins to note members while it is looked what is stored of them.
func (k *kinds) follow(members []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.of == nil {
		k.of, k.looking = map[string]kind{}, map[string]bool{}
	}
	for _, m := range members {
		k.of[m], k.looking[m] = none, true
	}
}

// stored adds what was found of members that are followed. Nothing found means that it is not known: they are not followed any
// longer.
func (k *kinds) stored(members []string, found map[string]kind) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, m := range members {
		delete(k.looking, m)
		if found == nil {
			delete(k.of, m)
			continue
		}
		k.of[m] = k.of[m].and(found[m])
	}
}

// whileOne does something if every one of some members has values of one kind, and keeps others from being written
// until it is done.
func (k *kinds) whileOne(members []string, do func()) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for _, m := range members {
		if of, known := k.of[m]; !known || k.looking[m] || of == various {
			return false
		}
	}
	do()
	return true
}

// look finds the kinds of values that members have, of those of which that is not known. It goes on when ctx ends: whoever asked may
// not have the patience for a million documents, and the next one is not to begin again.
func (f *file) look(ctx context.Context, t *table, members []string) error {
	if len(t.kinds.unknown(members)) == 0 {
		return nil
	}
	members = f.follow(t, members)
	if len(members) == 0 {
		return nil
	}
	f.mu.RLock()
	db := f.db
	f.mu.RUnlock()
	if db == nil {
		t.kinds.stored(members, nil)
		return nil
	}
	over := make(chan error, 1)
	go func() {
		found, err := stored(context.WithoutCancel(ctx), db, t.name, members)
		t.kinds.stored(members, found)
		over <- err
	}()
	select {
	case err := <-over:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// follow begins to note members, at a moment when nobody writes: what was written before is there to be seen, and what is
// written afterwards is noted.
func (f *file) follow(t *table, members []string) []string {
	f.writing.Lock()
	defer f.writing.Unlock()
	members = t.kinds.unknown(members)
	t.kinds.follow(members)
	return members
}

// stored looks at every document of a table.
func stored(ctx context.Context, db *sql.DB, table string, members []string) (map[string]kind, error) {
	columns := make([]string, len(members))
	types, zeros := make([]sql.NullString, len(members)), make([]sql.NullBool, len(members))
	var row []any
	for i, m := range members {
		columns[i] = fmt.Sprintf(`%[1]s->>'$."$s".p.%[2]s.t', instr(%[1]s->'$.%[2]s', '\u0000') > 0`, column, m)
		row = append(row, &types[i], &zeros[i])
	}
	rows, err := db.QueryContext(ctx, fmt.Sprintf("SELECT DISTINCT %s FROM %q", strings.Join(columns, ", "), table))
	if err != nil {
		return nil, lazyerrors.Error(err)
	}
	defer func() { _ = rows.Close() }()
	found := make(map[string]kind, len(members))
	for _, m := range members {
		found[m] = none
	}
	for rows.Next() {
		if err := rows.Scan(row...); err != nil {
			return nil, lazyerrors.Error(err)
		}
		for i, m := range members {
			found[m] = found[m].and(kindOfStored(types[i], zeros[i].Bool))
		}
	}
	if err := rows.Err(); err != nil {
		return nil, lazyerrors.Error(err)
	}
	return found, nil
}

// write notes documents that are about to be written. What it returns is called when they are.
func (f *file) write(name string, written []*types.Document) (done func()) {
	f.writing.RLock()
	f.mu.RLock()
	t := f.tables[name]
	f.mu.RUnlock()
	if t != nil {
		t.kinds.note(written)
	}
	return f.writing.RUnlock
}
