package configsync

import (
	"errors"
	"fmt"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
)

// upsert is a resource as the image keeps it: the bytes of one `upserts` element of a WatchResponse, tag and length
// included. So a part of a batch is upserts laid end to end, and one of them alone is a WatchResponse as well. It never changes,
// so parts of it may be kept by others.
type upsert string

// upsertsField is the number of WatchResponse.upserts.
const upsertsField protowire.Number = 4

// Equal resources must have equal bytes, or a reload would announce changes that are none.
var deterministic = proto.MarshalOptions{Deterministic: true}

// room is where resources are encoded before they are kept.
var room = sync.Pool{New: func() any { return new([]byte) }}

func encode(r *configv1.Resource) (upsert, error) {
	size := deterministic.Size(r)
	if size > MaxResourceBytes {
		return "", fmt.Errorf("resource of %d bytes; the limit is %d", size, MaxResourceBytes)
	}
	at := room.Get().(*[]byte)
	defer room.Put(at)
	b := protowire.AppendTag((*at)[:0], upsertsField, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size))
	b, err := deterministic.MarshalAppend(b, r)
	*at = b
	if err != nil {
		return "", fmt.Errorf("encode: %w", err)
	}
	return upsert(b), nil
}

func (u upsert) decode() (*configv1.Resource, error) {
	var m configsyncv1.WatchResponse
	if err := proto.Unmarshal([]byte(u), &m); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return m.GetUpserts()[0], nil
}

// message is the resource itself, without the Resource around it.
func (u upsert) message() string {
	message := u
	for range 2 { // the upsert, and the arm of its kind
		_, _, tag := protowire.ConsumeTag([]byte(message[:min(len(message), 2*maxVarint)]))
		_, length := protowire.ConsumeVarint([]byte(message[tag:min(len(message), tag+maxVarint)]))
		message = message[tag+length:]
	}
	return string(message)
}

// maxVarint is the most bytes that a number takes.
const maxVarint = 10

// errUnnamed is a resource or a key that lacks its kind, its domain or its id.
var errUnnamed = errors.New("resource without a kind, a domain or an id")

// keyOf names the resource in r.
func keyOf(r *configv1.Resource) (resource.Key, error) {
	held := resource.Unwrap(r)
	if held == nil {
		return resource.Key{}, errUnnamed
	}
	return complete(resource.KeyOf(held))
}

func complete(k resource.Key) (resource.Key, error) {
	if k.Kind == "" || k.Domain == "" || k.ID == "" {
		return resource.Key{}, errUnnamed
	}
	return k, nil
}
