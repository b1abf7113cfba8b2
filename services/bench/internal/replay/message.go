package replay

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Sizes in bytes: the header of every message; that with the flags and the kind of the first section of an OP_MSG; and the largest
// message.
const (
	headerSize  = 16
	bodyAt      = headerSize + 4 + 1
	largestSize = 48_000_000
)

const opMsg = 2013

// message is a whole message of the wire protocol: lengths and numbers are little-endian.
//
//	int32 length, id, id of the request that it answers, operation
//	OP_MSG: uint32 flags, byte 0, a document
type message []byte

func readMessage(r io.Reader) (message, error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint32(header[:])
	if length < headerSize || length > largestSize {
		return nil, fmt.Errorf("message of %d bytes", length)
	}
	m := make(message, length)
	copy(m, header[:])
	if _, err := io.ReadFull(r, m[headerSize:]); err != nil {
		return nil, fmt.Errorf("message of %d bytes that does not end: %w", length, err)
	}
	return m, nil
}

func (m message) id() int32         { return int32(binary.LittleEndian.Uint32(m[4:])) }
func (m message) responseTo() int32 { return int32(binary.LittleEndian.Uint32(m[8:])) }

// body is the document of an OP_MSG that has nothing else; nil of any other message.
func (m message) body() bson.Raw {
	if len(m) < bodyAt || binary.LittleEndian.Uint32(m[12:]) != opMsg || binary.LittleEndian.Uint32(m[headerSize:]) != 0 || m[bodyAt-1] != 0 {
		return nil
	}
	body := bson.Raw(m[bodyAt:])
	if len(body) < 4 || uint64(binary.LittleEndian.Uint32(body)) != uint64(len(body)) {
		return nil // there is another section
	}
	return body // what is looked up in it is looked up carefully
}

// cursor is the number in an answer to a find or a getMore; false if it is no answer, or a failure.
func (m message) cursor() (int64, bool) {
	body := m.body()
	if body == nil {
		return 0, false
	}
	if ok, _ := body.Lookup("ok").AsFloat64OK(); ok != 1 {
		return 0, false
	}
	return body.Lookup("cursor", "id").Int64OK()
}

// answering is a copy of an answer with the number of another request, and, unless it is the last one, of another cursor.
func (m message) answering(request int32, cursor int64) message {
	answer := slices.Clone(m)
	binary.LittleEndian.PutUint32(answer[4:], uint32(request))
	binary.LittleEndian.PutUint32(answer[8:], uint32(request))
	if id := answer.body().Lookup("cursor", "id"); id.Int64() != 0 {
		binary.LittleEndian.PutUint64(id.Value, uint64(cursor)) // a part of the answer
	}
	return answer
}

// request is what the proxy knows of a message from the program.
type request struct {
	find   string // what is read; empty if this is no find
	cursor int64  // of which more is wanted; 0 if this is no getMore
}

func requestOf(m message) (r request) {
	body := m.body()
	if body == nil {
		return r
	}
	command, err := body.IndexErr(0)
	if err != nil {
		return r
	}
	switch command.Key() {
	case "find":
		r.find = whatIsRead(body)
	case "getMore":
		r.cursor, _ = command.Value().Int64OK()
	}
	return r
}

// whatIsRead is a find without what differs each time: the session, and how long the program waits.
func whatIsRead(find bson.Raw) string {
	elements, err := find.Elements()
	if err != nil {
		return ""
	}
	var what []byte
	for _, e := range elements {
		switch e.Key() {
		case "lsid", "$clusterTime", "maxTimeMS":
		default:
			what = append(what, e...)
		}
	}
	return string(what)
}
