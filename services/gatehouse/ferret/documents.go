package gatehouse

import (
	"context"
	"database/sql"
	"sync"

	"github.com/FerretDB/FerretDB/internal/handler/sjson"
	"github.com/FerretDB/FerretDB/internal/types"
	"github.com/FerretDB/FerretDB/internal/util/iterator"
	"github.com/FerretDB/FerretDB/internal/util/lazyerrors"
)

// documents are the rows of a query, one after another.
type documents struct {
	ctx context.Context //nolint:containedctx // FerretDB's iterators are ended by it

	mu   sync.Mutex
	rows *sql.Rows // nil when closed
}

// Next returns the next document, or iterator.ErrIteratorDone.
func (d *documents) Next() (struct{}, *types.Document, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.rows == nil {
		return struct{}{}, nil, iterator.ErrIteratorDone
	}
	document, err := d.next()
	if err != nil {
		d.close()
		return struct{}{}, nil, lazyerrors.Error(err)
	}
	return struct{}{}, document, nil
}

func (d *documents) next() (*types.Document, error) {
	if err := context.Cause(d.ctx); err != nil {
		return nil, err
	}
	if !d.rows.Next() {
		if err := d.rows.Err(); err != nil {
			return nil, err
		}
		return nil, iterator.ErrIteratorDone
	}
	var text []byte
	if err := d.rows.Scan(&text); err != nil {
		return nil, err
	}
	return sjson.Unmarshal(text)
}

// Close gives the connection back.
func (d *documents) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.close()
}

func (d *documents) close() {
	if d.rows != nil {
		_ = d.rows.Close()
		d.rows = nil
	}
}
