package configsync

import (
	"errors"
	"fmt"
	"iter"

	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // what lean is made of
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
)

// Arrived is an upsert of a batch as it came: decoded, or of a lean subscriber encoded. Several may be looked at at once.
type Arrived struct {
	message *configv1.Resource
	encoded []byte
}

// Arrived yields the upserts, each once and in their order.
func (b Batch) Arrived() iter.Seq[Arrived] {
	return func(yield func(Arrived) bool) {
		for _, r := range b.Upserts {
			if !yield(Arrived{message: r}) {
				return
			}
		}
		for _, part := range b.Encoded {
			for rest := part; len(rest) > 0; {
				_, _, tag := protowire.ConsumeTag(rest) // the codec has looked at these
				one, n := protowire.ConsumeBytes(rest[tag:])
				rest = rest[tag+n:]
				if !yield(Arrived{encoded: one}) {
					return
				}
			}
		}
	}
}

// Resource returns the upsert, which it decodes if it came encoded. An error says that it cannot be read.
func (a Arrived) Resource() (*configv1.Resource, error) {
	if a.message != nil {
		return a.message, nil
	}
	r := new(configv1.Resource)
	if err := proto.Unmarshal(a.encoded, r); err != nil {
		return nil, fmt.Errorf("resource that cannot be read: %w", err)
	}
	return r, nil
}

// Message is the resource itself, without the Resource around it, in its protobuf form. It is nil of an upsert that came decoded, or in a
// form that publishers do not write. It is a part of what may be large: whoever keeps it keeps a copy.
func (a Arrived) Message() []byte {
	_, kind, tag := protowire.ConsumeTag(a.encoded)
	if tag < 0 || kind != protowire.BytesType {
		return nil
	}
	message, n := protowire.ConsumeBytes(a.encoded[tag:])
	if n < 0 || tag+n != len(a.encoded) { // there is something else, which belongs to it
		return nil
	}
	return message
}

// All yields the upserts, each once, decoded one at a time. An error is an upsert that cannot be read; others follow.
func (b Batch) All() iter.Seq2[*configv1.Resource, error] {
	return func(yield func(*configv1.Resource, error) bool) {
		for a := range b.Arrived() {
			if !yield(a.Resource()) {
				return
			}
		}
	}
}

// lean is the codec of a stream that leaves upserts encoded: a gateway that takes a hundred thousand applications keeps them encoded, and
// decoded all at once they would take ten times the memory. They stand among the fields that the message does not know, as they do
// where they are sent.
type lean struct{ encoding.CodecV2 }

func newLean() lean { return lean{encoding.GetCodecV2("proto")} }

// Unmarshal implements encoding.CodecV2.
func (c lean) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(*configsyncv1.WatchResponse)
	if !ok {
		return c.CodecV2.Unmarshal(data, v)
	}
	buffer := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer buffer.Free()
	upserts, others, err := divide(buffer.ReadOnlyData())
	if err != nil {
		return err
	}
	if err := proto.Unmarshal(others, m); err != nil {
		return err
	}
	m.ProtoReflect().SetUnknown(upserts)
	return nil
}

var errMalformed = errors.New("a message of the configuration stream is malformed")

// divide returns copies of the upserts of a message, and of its other fields.
func divide(message []byte) (upserts, others []byte, err error) {
	for rest := message; len(rest) > 0; {
		number, kind, n := protowire.ConsumeField(rest)
		if n < 0 {
			return nil, nil, fmt.Errorf("%w: %w", errMalformed, protowire.ParseError(n))
		}
		field := rest[:n]
		rest = rest[n:]
		if number != upsertsField {
			others = append(others, field...)
			continue
		}
		if kind != protowire.BytesType {
			return nil, nil, errMalformed
		}
		if upserts == nil {
			upserts = make([]byte, 0, len(message))
		}
		upserts = append(upserts, field...)
	}
	return upserts, others, nil
}
