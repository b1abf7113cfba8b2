package gatehouse

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/FerretDB/FerretDB/internal/types"
)

// BSON's types of elements.
const (
	bsonDouble    = 0x01
	bsonString    = 0x02
	bsonDocument  = 0x03
	bsonArray     = 0x04
	bsonBinary    = 0x05
	bsonObjectID  = 0x07
	bsonBool      = 0x08
	bsonDate      = 0x09
	bsonNull      = 0x0a
	bsonRegex     = 0x0b
	bsonInt32     = 0x10
	bsonTimestamp = 0x11
	bsonInt64     = 0x12
)

// errZero is a name or an expression with a zero in it, which BSON has no way to write.
var errZero = errors.New("a name with a zero in it cannot be written")

var little = binary.LittleEndian

// appendDocument appends a document as BSON. FerretDB makes two other trees of it first, and keeps a stack trace of every step from one
// document or array into the next, which takes ten times as long.
func appendDocument(b []byte, d *types.Document) (_ []byte, err error) {
	b, begun := begin(b)
	values := d.Values()
	for i, key := range d.Keys() {
		if b, err = appendElement(b, key, values[i]); err != nil {
			return nil, err
		}
	}
	return closed(b, begun), nil
}

// begin begins a document or an array, which closed ends.
func begin(b []byte) ([]byte, int) { return append(b, 0, 0, 0, 0), len(b) }

func closed(b []byte, begun int) []byte {
	b = append(b, 0)
	little.PutUint32(b[begun:], uint32(len(b)-begun)) //nolint:gosec // a message is far smaller
	return b
}

func named(b []byte, kind byte, name string) []byte {
	return append(append(append(b, kind), name...), 0)
}

func appendElement(b []byte, name string, value any) ([]byte, error) {
	if strings.IndexByte(name, 0) >= 0 {
		return nil, errZero
	}
	switch v := value.(type) {
	case *types.Document:
		return appendDocument(named(b, bsonDocument, name), v)
	case *types.Array:
		return appendArray(named(b, bsonArray, name), v)
	case string:
		return appendText(named(b, bsonString, name), v), nil
	case int32:
		return little.AppendUint32(named(b, bsonInt32, name), uint32(v)), nil
	case int64:
		return little.AppendUint64(named(b, bsonInt64, name), uint64(v)), nil
	case float64:
		return little.AppendUint64(named(b, bsonDouble, name), math.Float64bits(v)), nil
	case bool:
		b = named(b, bsonBool, name)
		if v {
			return append(b, 1), nil
		}
		return append(b, 0), nil
	case time.Time:
		return little.AppendUint64(named(b, bsonDate, name), uint64(v.UnixMilli())), nil
	case types.NullType:
		return named(b, bsonNull, name), nil
	case types.ObjectID:
		return append(named(b, bsonObjectID, name), v[:]...), nil
	case types.Binary:
		b = little.AppendUint32(named(b, bsonBinary, name), uint32(len(v.B))) //nolint:gosec // as above
		return append(append(b, byte(v.Subtype)), v.B...), nil
	case types.Timestamp:
		return little.AppendUint64(named(b, bsonTimestamp, name), uint64(v)), nil
	case types.Regex:
		if strings.IndexByte(v.Pattern, 0) >= 0 || strings.IndexByte(v.Options, 0) >= 0 {
			return nil, errZero
		}
		b = append(append(named(b, bsonRegex, name), v.Pattern...), 0)
		return append(append(b, v.Options...), 0), nil
	}
	return nil, fmt.Errorf("a value of type %T cannot be written", value)
}

func appendText(b []byte, text string) []byte {
	b = little.AppendUint32(b, uint32(len(text)+1)) //nolint:gosec // as above
	return append(append(b, text...), 0)
}

func appendArray(b []byte, a *types.Array) (_ []byte, err error) {
	b, begun := begin(b)
	for i := range a.Len() {
		value, err := a.Get(i)
		if err != nil {
			return nil, err
		}
		if b, err = appendElement(b, strconv.Itoa(i), value); err != nil {
			return nil, err
		}
	}
	return closed(b, begun), nil
}
