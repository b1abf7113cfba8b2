package gatehouse

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/FerretDB/wire"

	"github.com/FerretDB/FerretDB/internal/bson"
	"github.com/FerretDB/FerretDB/internal/handler/common"
	"github.com/FerretDB/FerretDB/internal/handler/handlererrors"
	"github.com/FerretDB/FerretDB/internal/handler/handlerparams"
	"github.com/FerretDB/FerretDB/internal/types"
	"github.com/FerretDB/FerretDB/internal/util/lazyerrors"
)

// finds answers those finds whose documents go out as they are stored: nothing is left out of them or computed, and if they are
// sorted, it is along an index (order.go). FerretDB still says which documents a filter selects; they are written into the answer
// at once (encode.go), and more of them is asked for here. Everything else, and everything that is amiss, is FerretDB's.
type finds struct {
	backend *backend
	// What FerretDB does.
	find, getMore, killCursors command

	mu      sync.Mutex
	cursors map[int64]*cursor
	last    int64
}

// The numbers of our cursors begin where FerretDB's, which have 32 bits, do not come.
const firstCursor = 1 << 40

func newFinds(b *backend, find, getMore, killCursors command) *finds {
	return &finds{backend: b, find: find, getMore: getMore, killCursors: killCursors, cursors: map[int64]*cursor{}, last: firstCursor}
}

// Find answers a find.
func (f *finds) Find(ctx context.Context, msg *wire.OpMsg) (*wire.OpMsg, error) {
	if answer, err := f.begin(ctx, msg); answer != nil || err != nil {
		return answer, err
	}
	return f.find(ctx, msg)
}

// usual are the members that finds may have which are answered here.
var usual = map[string]bool{
	"find": true, "filter": true, "limit": true, "batchSize": true, "singleBatch": true, "sort": true, "maxTimeMS": true,
	// FerretDB looks at none of these.
	"$db": true, "lsid": true, "$clusterTime": true, "$readPreference": true, "readConcern": true, "hint": true,
}

// read returns what a find asks for, or nothing if it is not for us.
func (f *finds) read(msg *wire.OpMsg) (*common.FindParams, *file) {
	if len(msg.Sections()) != 1 {
		return nil, nil
	}
	document, err := bson.ToDocument(msg.RawSection0())
	if err != nil {
		return nil, nil
	}
	for _, name := range document.Keys() {
		if !usual[name] {
			return nil, nil
		}
	}
	params, err := common.GetFindParams(document, silent)
	if err != nil || params.Filter.Len() > 0 && params.Filter.Has("$comment") {
		return nil, nil
	}
	database, err := f.backend.Database(params.DB)
	if err != nil {
		return nil, nil
	}
	if _, err := database.Collection(params.Collection); err != nil {
		return nil, nil
	}
	return params, f.backend.file(params.DB)
}

var silent = slog.New(slog.DiscardHandler)

// begin answers a find with its first documents, or returns nothing if it is not for us.
func (f *finds) begin(connection context.Context, msg *wire.OpMsg) (*wire.OpMsg, error) {
	params, file := f.read(msg)
	if params == nil {
		return nil, nil
	}
	w := wish{asked: conditions(params.Filter)}
	if params.Sort.Len() > 0 {
		if w.order = orderOf(msg, silent); w.order == nil {
			return nil, nil
		}
	} else if params.Filter.Len() == 0 {
		w.limit = params.Limit
	}
	ctx, cancel := context.WithCancel(connection)
	inTime := func() bool { return true }
	if params.MaxTimeMS != 0 { // it is about the first answer
		inTime = time.AfterFunc(time.Duration(params.MaxTimeMS)*time.Millisecond, cancel).Stop
	}
	rows, ordered := file.query(ctx, params.Collection, w)
	if rows == nil || ordered != (w.order != nil) {
		if rows != nil {
			_ = rows.Close()
		}
		cancel()
		return nil, nil
	}
	found := &documents{ctx: ctx, rows: rows}
	most := params.Limit
	if most == 0 {
		most = math.MaxInt64
	}
	found.first(params.Filter, most)
	c := &cursor{namespace: params.DB + "." + params.Collection, documents: found, cancel: cancel}
	batch, more, err := c.batch(params.BatchSize)
	if late := !inTime(); err != nil || late {
		c.close()
		if late && connection.Err() == nil {
			return nil, handlererrors.NewCommandErrorMsgWithArgument(handlererrors.ErrMaxTimeMSExpired,
				"Executor error during find command :: caused by :: operation exceeded time limit", "find")
		}
		return nil, nil // FerretDB says what is wrong with the filter
	}
	if !more || params.SingleBatch {
		c.close()
	} else {
		f.keep(connection, c)
	}
	return c.answer("firstBatch", c.id, batch)
}

// keep gives a cursor its number, under which it is found until it or its connection ends.
func (f *finds) keep(connection context.Context, c *cursor) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	c.id = f.last
	f.cursors[c.id] = c
	c.stop = context.AfterFunc(connection, func() { f.end(c) })
}

func (f *finds) end(c *cursor) {
	f.mu.Lock()
	delete(f.cursors, c.id)
	f.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stop()
	c.close()
}

func (f *finds) cursor(id any) *cursor {
	number, _ := id.(int64)
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cursors[number]
}

// GetMore answers with the next documents of a find.
func (f *finds) GetMore(ctx context.Context, msg *wire.OpMsg) (*wire.OpMsg, error) {
	document, err := bson.ToDocument(msg.RawSection0())
	if err != nil {
		return f.getMore(ctx, msg)
	}
	id, _ := document.Get("getMore")
	c := f.cursor(id)
	if c == nil {
		return f.getMore(ctx, msg)
	}
	database, _ := document.Get("$db")
	collection, _ := document.Get("collection")
	if database, _ := database.(string); collection == nil || database+"."+text(collection) != c.namespace {
		return nil, refused(handlererrors.ErrUnauthorized, "the cursor belongs to another namespace than the request")
	}
	if document.Has("maxTimeMS") {
		return nil, refused(handlererrors.ErrBadValue, "cannot set maxTimeMS on getMore command for a non-awaitData cursor")
	}
	size, _ := document.Get("batchSize")
	most := int64(usualBatch)
	if size != nil && types.Compare(size, int32(0)) != types.Equal {
		if most, err = handlerparams.GetValidatedNumberParamWithMinValue("getMore", "batchSize", size, 0); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	batch, more, err := c.batch(most)
	c.mu.Unlock()
	if err != nil {
		f.end(c)
		return nil, lazyerrors.Error(err)
	}
	number := c.id
	if !more {
		f.end(c)
		number = 0
	}
	return c.answer("nextBatch", number, batch)
}

// usualBatch is how many documents FerretDB returns to whoever does not say how many.
const usualBatch = 250

func text(v any) string {
	s, _ := v.(string)
	return s
}

func refused(code handlererrors.ErrorCode, message string) error {
	return handlererrors.NewCommandErrorMsgWithArgument(code, message, "getMore")
}

// KillCursors ends cursors. Of a list with one of ours, all are: those of FerretDB end with their connection.
func (f *finds) KillCursors(ctx context.Context, msg *wire.OpMsg) (*wire.OpMsg, error) {
	document, err := bson.ToDocument(msg.RawSection0())
	if err != nil {
		return f.killCursors(ctx, msg)
	}
	list, _ := document.Get("cursors")
	ids, ok := list.(*types.Array)
	if !ok {
		return f.killCursors(ctx, msg)
	}
	var others bool
	killed := types.MakeArray(0)
	for i := range ids.Len() {
		id, _ := ids.Get(i)
		c := f.cursor(id)
		if c == nil {
			others = true
			continue
		}
		f.end(c)
		killed.Append(id)
	}
	if others || killed.Len() == 0 {
		return f.killCursors(ctx, msg)
	}
	none := types.MakeArray(0)
	answer, err := types.NewDocument(
		"cursorsKilled", killed, "cursorsNotFound", none, "cursorsAlive", none, "cursorsUnknown", none, "ok", float64(1))
	if err != nil {
		return nil, lazyerrors.Error(err)
	}
	return message(answer)
}
