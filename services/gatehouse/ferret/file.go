package gatehouse

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"sync"

	_ "modernc.org/sqlite" // the driver

	"github.com/FerretDB/FerretDB/internal/backends"
	"github.com/FerretDB/FerretDB/internal/backends/sqlite/metadata"
	"github.com/FerretDB/FerretDB/internal/types"
	"github.com/FerretDB/FerretDB/internal/util/lazyerrors"
)

// Names that FerretDB gives.
const (
	extension      = ".sqlite"
	collectionsKey = "_ferretdb_collections"
)

// mostConnections bounds how many queries a database answers at once.
const mostConnections = 100

// file is the SQLite file of one database, with connections of our own beside those of FerretDB's backend. Only it makes
// and drops indexes, and only while FerretDB makes or changes a collection.
type file struct {
	path string
	uri  string

	// mu is held for reading while a query begins, and for writing while collections come, go or change.
	mu     sync.RWMutex
	db     *sql.DB
	tables map[string]*table // by collection

	// writing is held for reading while documents are written, before mu.
	writing sync.RWMutex
}

func newFile(folder *url.URL, name string) *file {
	u := *folder
	u.Path = path.Join(u.Path, name+extension)
	u.Opaque, u.RawPath, u.OmitHost = u.Path, "", true
	return &file{path: u.Path, uri: u.String(), tables: map[string]*table{}}
}

// open connects to the file if it is there.
func (f *file) open() (*sql.DB, error) {
	if f.db != nil {
		return f.db, nil
	}
	if _, err := os.Stat(f.path); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", f.uri)
	if err != nil {
		return nil, err
	}
	db.SetMaxIdleConns(mostConnections)
	db.SetMaxOpenConns(mostConnections)
	f.db = db
	return db, nil
}

// without does something that our connections would be in the way of.
func (f *file) without(do func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.tables)
	if f.db != nil {
		err := f.db.Close()
		f.db = nil
		if err != nil {
			return lazyerrors.Error(err)
		}
	}
	return do()
}

// forgetting does something after which a name may mean another collection.
func (f *file) forgetting(do func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.tables)
	return do()
}

// prepareAll gives all collections their indexes.
func (f *file) prepareAll(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	db, err := f.open()
	if err != nil {
		return lazyerrors.Error(err)
	}
	names, err := texts(ctx, db, fmt.Sprintf("SELECT name, table_name FROM %q", collectionsKey))
	if err != nil {
		return err
	}
	for name := range names {
		if _, err := f.load(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// know gives a collection its indexes if it is new.
func (f *file) know(ctx context.Context, name string) error {
	_, err := f.table(ctx, name)
	return err
}

// change gives a collection its indexes again.
func (f *file) change(ctx context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.tables, name)
	_, err := f.load(ctx, name)
	return err
}

// table returns where a collection is kept, or nothing if there is none.
func (f *file) table(ctx context.Context, name string) (*table, error) {
	f.mu.RLock()
	t := f.tables[name]
	f.mu.RUnlock()
	if t != nil {
		return t, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if t := f.tables[name]; t != nil {
		return t, nil
	}
	return f.load(ctx, name)
}

// load reads where a collection is kept and gives it its indexes. The lock is held for writing.
func (f *file) load(ctx context.Context, name string) (*table, error) {
	db, err := f.open()
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, lazyerrors.Error(err)
	}
	var tableName string
	var settings metadata.Settings
	err = db.QueryRowContext(ctx, fmt.Sprintf("SELECT table_name, settings FROM %q WHERE name = ?", collectionsKey), name).
		Scan(&tableName, &settings)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, lazyerrors.Error(err)
	}
	t := newTable(tableName, settings)
	existing, err := texts(ctx, db, "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = ?", tableName)
	if err != nil {
		return nil, err
	}
	if err := apply(ctx, db, t.statements(existing)); err != nil {
		return nil, err
	}
	f.tables[name] = t
	return t, nil
}

// apply runs statements, all or none of them.
func apply(ctx context.Context, db *sql.DB, statements []string) error {
	if len(statements) == 0 {
		return nil
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return lazyerrors.Error(err)
	}
	defer func() { _ = tx.Rollback() }()
	for _, s := range statements {
		if _, err := tx.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return tx.Commit()
}

// texts returns the rows of a query for two texts.
func texts(ctx context.Context, db *sql.DB, query string, arguments ...any) (map[string]string, error) {
	rows, err := db.QueryContext(ctx, query, arguments...)
	if err != nil {
		return nil, lazyerrors.Error(err)
	}
	defer func() { _ = rows.Close() }()
	found := map[string]string{}
	for rows.Next() {
		var name, text string
		if err := rows.Scan(&name, &text); err != nil {
			return nil, lazyerrors.Error(err)
		}
		found[name] = text
	}
	return found, rows.Err()
}

// query returns the documents that are found for a wish, or nothing if FerretDB has to look for them. Where anything is
// amiss it is FerretDB that says so. The documents come in the order of the wish if it has one and ordered is true.
func (f *file) query(ctx context.Context, name string, w wish) (rows *sql.Rows, ordered bool) {
	rows, _, ordered = f.ask(ctx, name, w, "")
	return rows, ordered
}

// explain says how SQLite would find what query returns.
func (f *file) explain(ctx context.Context, name string, w wish) *backends.ExplainResult {
	rows, statement, ordered := f.ask(ctx, name, w, "EXPLAIN QUERY PLAN ")
	if rows == nil {
		return nil
	}
	defer func() { _ = rows.Close() }()
	plan := types.MakeArray(1)
	for rows.Next() {
		var id, parent, unused int32
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			return nil
		}
		plan.Append(detail)
	}
	planner, err := types.NewDocument("Plan", plan, "Statement", statement)
	if err != nil || rows.Err() != nil {
		return nil
	}
	return &backends.ExplainResult{QueryPlanner: planner, FilterPushdown: len(w.asked) > 0, SortPushdown: ordered, LimitPushdown: w.limit != 0}
}

func (f *file) ask(ctx context.Context, name string, w wish, prefix string) (rows *sql.Rows, statement string, ordered bool) {
	t, err := f.table(ctx, name)
	if err != nil || t == nil {
		return nil, "", false
	}
	if w.order != nil {
		if s, members, ok := t.inOrder(w.asked, w.order.by); ok && f.look(ctx, t, members) == nil {
			if rows := f.askInOrder(ctx, name, s, members, prefix); rows != nil {
				return rows, s.text, true
			}
		}
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	t = f.tables[name] // it may be gone since
	if t == nil || f.db == nil {
		return nil, "", false
	}
	s, ok := t.search(w)
	if !ok {
		return nil, "", false
	}
	rows, err = f.db.QueryContext(ctx, prefix+s.text, s.arguments...)
	if err != nil {
		return nil, "", false
	}
	return rows, s.text, false
}

// askInOrder begins a search if the members have values of one kind, or returns nothing.
func (f *file) askInOrder(ctx context.Context, name string, s search, members []string, prefix string) (rows *sql.Rows) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	t := f.tables[name]
	if t == nil || f.db == nil {
		return nil
	}
	t.kinds.whileOne(members, func() {
		rows, _ = f.db.QueryContext(ctx, prefix+s.text, s.arguments...) //nolint:sqlclosecheck // the caller does
	})
	return rows
}
