package gatehouse

import (
	"context"
	"net/url"
	"sync"

	"github.com/FerretDB/FerretDB/internal/backends"
)

// backend is FerretDB's backend with indexes that queries use.
type backend struct {
	backends.Backend
	url *url.URL

	mu    sync.Mutex
	files map[string]*file
}

// newBackend makes the indexes that the databases lack.
func newBackend(inner backends.Backend, address string) (*backend, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	b := &backend{Backend: inner, url: u, files: map[string]*file{}}
	if err := b.prepare(context.Background()); err != nil {
		b.closeFiles()
		return nil, err
	}
	return b, nil
}

func (b *backend) prepare(ctx context.Context) error {
	databases, err := b.ListDatabases(ctx, nil)
	if err != nil {
		return err
	}
	for _, d := range databases.Databases {
		if err := b.file(d.Name).prepareAll(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (b *backend) file(name string) *file {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.files[name]
	if f == nil {
		f = newFile(b.url, name)
		b.files[name] = f
	}
	return f
}

// Database returns a database that need not exist.
func (b *backend) Database(name string) (backends.Database, error) {
	inner, err := b.Backend.Database(name)
	if err != nil {
		return nil, err
	}
	return &database{Database: inner, file: b.file(name)}, nil
}

// DropDatabase removes a database, of which FerretDB deletes the file.
func (b *backend) DropDatabase(ctx context.Context, params *backends.DropDatabaseParams) error {
	return b.file(params.Name).without(func() error { return b.Backend.DropDatabase(ctx, params) })
}

// Close closes the databases.
func (b *backend) Close() {
	b.closeFiles()
	b.Backend.Close()
}

func (b *backend) closeFiles() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.files {
		_ = f.without(func() error { return nil })
	}
}

// database is a database whose collections have indexes that queries use.
type database struct {
	backends.Database
	file *file
}

func (d *database) Collection(name string) (backends.Collection, error) {
	inner, err := d.Database.Collection(name)
	if err != nil {
		return nil, err
	}
	return &collection{Collection: inner, file: d.file, name: name}, nil
}

func (d *database) CreateCollection(ctx context.Context, params *backends.CreateCollectionParams) error {
	if err := d.Database.CreateCollection(ctx, params); err != nil {
		return err
	}
	return d.file.know(ctx, params.Name)
}

func (d *database) DropCollection(ctx context.Context, params *backends.DropCollectionParams) error {
	return d.file.forgetting(func() error { return d.Database.DropCollection(ctx, params) })
}

func (d *database) RenameCollection(ctx context.Context, params *backends.RenameCollectionParams) error {
	return d.file.forgetting(func() error { return d.Database.RenameCollection(ctx, params) })
}

// collection is a collection with indexes that queries use.
type collection struct {
	backends.Collection
	file *file
	name string
}

func (c *collection) Query(ctx context.Context, params *backends.QueryParams) (*backends.QueryResult, error) {
	// An order comes for capped collections only, which are left to FerretDB.
	if params != nil && params.Sort.Len() == 0 && !params.OnlyRecordIDs {
		w := wish{asked: conditions(params.Filter), limit: params.Limit, order: orderIn(ctx, c.name)}
		if rows, ordered := c.file.query(ctx, c.name, w); rows != nil {
			found := &documents{ctx: ctx, rows: rows}
			if ordered {
				found.first(w.order.filter, w.order.most)
			}
			return &backends.QueryResult{Iter: found}, nil
		}
	}
	return c.Collection.Query(ctx, params)
}

func (c *collection) Explain(ctx context.Context, params *backends.ExplainParams) (*backends.ExplainResult, error) {
	if params != nil && params.Sort.Len() == 0 {
		w := wish{asked: conditions(params.Filter), limit: params.Limit, order: orderIn(ctx, c.name)}
		if result := c.file.explain(ctx, c.name, w); result != nil {
			return result, nil
		}
	}
	return c.Collection.Explain(ctx, params)
}

func (c *collection) InsertAll(ctx context.Context, params *backends.InsertAllParams) (*backends.InsertAllResult, error) {
	done := c.file.write(c.name, params.Docs)
	result, err := c.Collection.InsertAll(ctx, params)
	done()
	if err != nil {
		return nil, err
	}
	return result, c.file.know(ctx, c.name) // it makes the collection if there is none
}

func (c *collection) UpdateAll(ctx context.Context, params *backends.UpdateAllParams) (*backends.UpdateAllResult, error) {
	defer c.file.write(c.name, params.Docs)()
	return c.Collection.UpdateAll(ctx, params)
}

func (c *collection) CreateIndexes(ctx context.Context, params *backends.CreateIndexesParams) (*backends.CreateIndexesResult, error) {
	result, err := c.Collection.CreateIndexes(ctx, params)
	if err != nil {
		return nil, err
	}
	return result, c.file.change(ctx, c.name)
}

func (c *collection) DropIndexes(ctx context.Context, params *backends.DropIndexesParams) (*backends.DropIndexesResult, error) {
	result, err := c.Collection.DropIndexes(ctx, params)
	if err != nil {
		return nil, err
	}
	return result, c.file.change(ctx, c.name)
}
