package secret

import (
	"bytes"
	"testing"
)

func TestDerive(t *testing.T) {
	first, second := NewKey(), NewKey()
	one, err := NewSealer(first, second)
	if err != nil {
		t.Fatal(err)
	}
	same, err := NewSealer(first)
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewSealer(second, first)
	if err != nil {
		t.Fatal(err)
	}
	key := one.Derive("a purpose")
	switch {
	case len(key) != 32:
		t.Errorf("the derived key has %d bytes", len(key))
	case bytes.Equal(key, first):
		t.Error("the derived key is the sealing key")
	case !bytes.Equal(key, same.Derive("a purpose")):
		t.Error("two rings with the same first key derive different keys")
	case bytes.Equal(key, one.Derive("another purpose")):
		t.Error("two purposes have one key")
	case bytes.Equal(key, other.Derive("a purpose")):
		t.Error("a new first key derives the old one's key")
	}
}
