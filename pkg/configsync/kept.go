package configsync

import (
	"errors"
	"fmt"
	"iter"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
)

// How much of a batch a message of [Batch.Messages] has, about: well below MaxMessageBytes.
const (
	keptBytes   = 1 << 20
	keptDeletes = 1000
	keptClients = keptBytes / bytesWithheld
)

// Messages yields a batch as the messages of a stream that bring it, encoded, to be kept and read by a [Replay]. They are as large as
// those that brought it, or about a megabyte.
func (b Batch) Messages() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		first := true
		// Each message but the last one says that others follow; so one is held back until it is known whether it is the last.
		var held *configsyncv1.WatchResponse
		hand := func(m *configsyncv1.WatchResponse) bool {
			previous := held
			held = m
			if previous == nil {
				return true
			}
			previous.Partial = true
			return yield(proto.Marshal(previous))
		}
		next := func() *configsyncv1.WatchResponse {
			m := &configsyncv1.WatchResponse{Installation: b.Installation, Revision: b.Revision, Reset_: b.Reset && first, BelongingsOnDemand: b.BelongingsOnDemand}
			first = false
			return m
		}
		for m := range b.pieces(next) {
			if !hand(m) {
				return
			}
		}
		if held == nil {
			held = next()
		}
		yield(proto.Marshal(held))
	}
}

// pieces puts what a batch has into messages.
func (b Batch) pieces(next func() *configsyncv1.WatchResponse) iter.Seq[*configsyncv1.WatchResponse] {
	return func(yield func(*configsyncv1.WatchResponse) bool) {
		for _, w := range b.Withheld {
			for from := 0; from == 0 || from < len(w.Clients); from += keptClients {
				m := next()
				m.Withheld = []*configsyncv1.Withheld{{Domain: w.Domain, Clients: w.Clients[from:min(from+keptClients, len(w.Clients))]}}
				if !yield(m) {
					return
				}
			}
		}
		for _, r := range b.Registered {
			m := next()
			m.Registered = []*configsyncv1.Registered{{Domain: r.Domain, Gone: r.Gone, Owners: r.Owners}}
			if !yield(m) {
				return
			}
		}
		for _, encoded := range b.Encoded {
			m := next()
			m.ProtoReflect().SetUnknown(encoded)
			if !yield(m) {
				return
			}
		}
		var raw []byte
		for i, r := range b.Upserts {
			one, err := proto.Marshal(r)
			if err != nil {
				continue // it came over the wire, so it can be written
			}
			raw = protowire.AppendBytes(protowire.AppendTag(raw, upsertsField, protowire.BytesType), one)
			if len(raw) < keptBytes && i < len(b.Upserts)-1 {
				continue
			}
			m := next()
			m.ProtoReflect().SetUnknown(raw)
			if !yield(m) {
				return
			}
			raw = nil
		}
		for from := 0; from < len(b.Deletes); from += keptDeletes {
			m := next()
			m.Deletes = b.Deletes[from:min(from+keptDeletes, len(b.Deletes))]
			if !yield(m) {
				return
			}
		}
	}
}

// Replay makes batches of kept messages, as a stream that begins with nothing. Its upserts are left encoded: see Batch.All.
type Replay struct{ assembler assembler }

// NewReplay returns one that has been given nothing.
func NewReplay() *Replay { return &Replay{assembler{lean: true}} }

// Add takes the next message. It returns a batch when the message completes one. An error is a message that does not continue those before
// it; nothing after it counts.
func (r *Replay) Add(message []byte) (_ Batch, complete bool, err error) {
	m := new(configsyncv1.WatchResponse)
	if err := newLean().Unmarshal(mem.BufferSlice{mem.SliceBuffer(message)}, m); err != nil {
		return Batch{}, false, fmt.Errorf("%w: %w", errBroken, err)
	}
	if r.assembler.installation == "" && !r.assembler.begun && !m.GetReset_() {
		return Batch{}, false, errors.Join(errBroken, errors.New("it begins in the middle"))
	}
	return r.assembler.add(m)
}
