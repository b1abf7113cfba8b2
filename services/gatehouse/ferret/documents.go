package gatehouse

import (
	"context"
	"database/sql"
	"sync"

	"github.com/FerretDB/FerretDB/internal/handler/common"
	"github.com/FerretDB/FerretDB/internal/types"
	"github.com/FerretDB/FerretDB/internal/util/iterator"
	"github.com/FerretDB/FerretDB/internal/util/lazyerrors"
)

// documents are the rows of a query, one after another.
type documents struct {
	ctx context.Context //nolint:containedctx // FerretDB's iterators are ended by it

	mu     sync.Mutex
	rows   *sql.Rows       // nil when closed
	filter *types.Document // nil: FerretDB selects
	left   int64           // how many more there may be, with a filter
}

// first leaves of the documents the first few that a filter selects.
func (d *documents) first(filter *types.Document, most int64) {
	if filter == nil {
		filter = new(types.Document)
	}
	d.filter, d.left = filter, most
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
	for d.filter == nil || d.left > 0 {
		document, err := d.row()
		if err != nil || d.filter == nil {
			return document, err
		}
		if d.filter.Len() == 0 {
			d.left--
			return document, nil
		}
		selected, err := common.FilterDocument(document, d.filter)
		if err != nil {
			return nil, err
		}
		if selected {
			d.left--
			return document, nil
		}
	}
	return nil, iterator.ErrIteratorDone
}

func (d *documents) row() (*types.Document, error) {
	if err := context.Cause(d.ctx); err != nil {
		return nil, err
	}
	if !d.rows.Next() {
		if err := d.rows.Err(); err != nil {
			return nil, err
		}
		return nil, iterator.ErrIteratorDone
	}
	var text string
	if err := d.rows.Scan(&text); err != nil {
		return nil, err
	}
	return unmarshal(text)
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
