// Package geotest makes databases of places for tests.
package geotest

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Write makes a database of IPv6 in the MaxMind DB File Format 2.0: a search tree of records of 24 bits, the data, and the
// metadata. IPv4 addresses stand under ::/96.
func Write(t testing.TB, entries map[string]map[string]any) string {
	t.Helper()
	const nothing = -1
	nodes := [][2]int{{nothing, nothing}}
	var data bytes.Buffer
	leaves := map[int]int{} // from a mark in the tree to an offset in data
	var prefixes []string
	for prefix := range entries {
		prefixes = append(prefixes, prefix)
	}
	slices.Sort(prefixes)
	for n, text := range prefixes {
		prefix := netip.MustParsePrefix(text)
		bits, length := prefix.Addr().As16(), prefix.Bits()
		if prefix.Addr().Is4() {
			bits, length = [16]byte{}, length+96
			four := prefix.Addr().As4()
			copy(bits[12:], four[:])
		}
		mark := -2 - n
		leaves[mark] = data.Len()
		encode(&data, entries[text])
		at := 0
		for i := range length {
			bit := bits[i/8] >> (7 - i%8) & 1
			if i == length-1 {
				nodes[at][bit] = mark
				break
			}
			if nodes[at][bit] < 0 {
				nodes = append(nodes, [2]int{nothing, nothing})
				nodes[at][bit] = len(nodes) - 1
			}
			at = nodes[at][bit]
		}
	}
	var file bytes.Buffer
	for _, node := range nodes {
		for _, record := range node {
			value := record
			switch {
			case record == nothing:
				value = len(nodes)
			case record < nothing:
				value = len(nodes) + 16 + leaves[record]
			}
			file.Write([]byte{byte(value >> 16), byte(value >> 8), byte(value)})
		}
	}
	file.Write(make([]byte, 16))
	file.Write(data.Bytes())
	file.WriteString("\xab\xcd\xefMaxMind.com")
	encode(&file, map[string]any{
		"binary_format_major_version": uint16(2), "binary_format_minor_version": uint16(0), "build_epoch": uint64(1790000000),
		"database_type": "Test", "ip_version": uint16(6), "node_count": uint32(len(nodes)), "record_size": uint16(24),
		"description": map[string]any{"en": "Test"}, "languages": []any{"en"},
	})
	name := filepath.Join(t.TempDir(), "test.mmdb")
	if err := os.WriteFile(name, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// encode writes one field of the data section: a control byte with type and size, and the value.
func encode(b *bytes.Buffer, v any) {
	field := func(kind, size int) {
		if kind > 7 {
			b.Write([]byte{byte(size), byte(kind - 7)})
			return
		}
		b.WriteByte(byte(kind<<5 | size))
	}
	number := func(kind int, n uint64) {
		full := binary.BigEndian.AppendUint64(nil, n)
		short := bytes.TrimLeft(full, "\x00")
		field(kind, len(short))
		b.Write(short)
	}
	switch v := v.(type) {
	case string:
		field(2, len(v))
		b.WriteString(v)
	case uint16:
		number(5, uint64(v))
	case uint32:
		number(6, uint64(v))
	case uint64:
		number(9, v)
	case []any:
		field(11, len(v))
		for _, e := range v {
			encode(b, e)
		}
	case map[string]any:
		field(7, len(v))
		var keys []string
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			encode(b, k)
			encode(b, v[k])
		}
	}
}
