package configsync

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	configsyncv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/configsync/v1"
)

// upsert is a resource as the image keeps it: the bytes of one `upserts` element of a WatchResponse, tag and length
// included. So a part of a batch is upserts laid end to end, and one of them alone is a WatchResponse as well.
type upsert []byte

// upsertsField is the number of WatchResponse.upserts.
const upsertsField protowire.Number = 4

// Equal resources must have equal bytes, or a reload would announce changes that are none.
var deterministic = proto.MarshalOptions{Deterministic: true}

func encode(r *configv1.Resource) (upsert, error) {
	size := deterministic.Size(r)
	if size > MaxResourceBytes {
		return nil, fmt.Errorf("resource of %d bytes; the limit is %d", size, MaxResourceBytes)
	}
	b := make([]byte, 0, protowire.SizeTag(upsertsField)+protowire.SizeBytes(size))
	b = protowire.AppendTag(b, upsertsField, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size))
	b, err := deterministic.MarshalAppend(b, r)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return b, nil
}

func (u upsert) decode() (*configv1.Resource, error) {
	var m configsyncv1.WatchResponse
	if err := proto.Unmarshal(u, &m); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return m.GetUpserts()[0], nil
}

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
