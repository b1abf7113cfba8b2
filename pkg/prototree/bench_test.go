package prototree_test

import (
	"testing"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

func BenchmarkDocument(b *testing.B) {
	d, app := prototree.Document(wax{}), application()
	tree, err := d.Encode(app)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := d.Encode(app); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := d.Decode(tree, &configv1.Application{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode BSON", func(b *testing.B) {
		doc := bsonOf(tree)
		b.ReportAllocs()
		for b.Loop() {
			if !d.DecodeBSON(doc, &configv1.Application{}) {
				b.Fatal("not read")
			}
		}
	})
}

func BenchmarkManagementEncode(b *testing.B) {
	app := application()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := prototree.Management.Encode(app); err != nil {
			b.Fatal(err)
		}
	}
}
