package gatehouse

import (
	"context"
	"errors"
	"strconv"
	"sync"

	"github.com/FerretDB/wire"
	"github.com/FerretDB/wire/wirebson"

	"github.com/FerretDB/FerretDB/internal/types"
	"github.com/FerretDB/FerretDB/internal/util/iterator"
	"github.com/FerretDB/FerretDB/internal/util/lazyerrors"
)

// mostBytes is how long the documents of one answer are together, as MongoDB has it; a single one may be longer.
const mostBytes = 16 << 20

// cursor is a find of which more can be asked.
type cursor struct {
	id        int64 // 0 when there is no more
	namespace string
	stop      func() bool // waiting for the end of the connection

	mu        sync.Mutex
	documents *documents
	cancel    context.CancelFunc
	// held is a document for which the last answer had no place.
	held []byte
}

func (c *cursor) close() {
	c.documents.Close()
	c.cancel()
}

// batch returns the next documents, at most so many, as the elements of an array. More means that there may be others.
func (c *cursor) batch(most int64) (elements []byte, more bool, err error) {
	var document []byte
	for n := int64(0); n < most; n++ {
		if document, c.held = c.held, nil; document == nil {
			_, d, err := c.documents.Next()
			if errors.Is(err, iterator.ErrIteratorDone) {
				return elements, false, nil
			}
			if err != nil {
				return nil, false, err
			}
			if document, err = appendDocument(document, d); err != nil {
				return nil, false, err
			}
		}
		if n > 0 && len(elements)+len(document) > mostBytes {
			c.held = document
			break
		}
		elements = append(named(elements, bsonDocument, strconv.FormatInt(n, 10)), document...)
	}
	return elements, true, nil
}

// answer is the message with some documents.
//
//	{"cursor": {<name>: [<elements>], "id": <number>, "ns": <namespace>}, "ok": 1.0}
func (c *cursor) answer(name string, number int64, elements []byte) (*wire.OpMsg, error) {
	b := make([]byte, 0, len(elements)+len(c.namespace)+128)
	b, answer := begin(b)
	b, cursor := begin(named(b, bsonDocument, "cursor"))
	b, batch := begin(named(b, bsonArray, name))
	b = closed(append(b, elements...), batch)
	b = little.AppendUint64(named(b, bsonInt64, "id"), uint64(number)) //nolint:gosec // BSON's form of it
	b = closed(appendText(named(b, bsonString, "ns"), c.namespace), cursor)
	b, err := appendElement(b, "ok", float64(1))
	if err != nil {
		return nil, lazyerrors.Error(err)
	}
	return wire.NewOpMsg(wirebson.RawDocument(closed(b, answer)))
}

// message is a document as a message.
func message(d *types.Document) (*wire.OpMsg, error) {
	b, err := appendDocument(nil, d)
	if err != nil {
		return nil, lazyerrors.Error(err)
	}
	return wire.NewOpMsg(wirebson.RawDocument(b))
}
