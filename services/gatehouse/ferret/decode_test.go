package gatehouse

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/FerretDB/FerretDB/internal/handler/sjson"
	"github.com/FerretDB/FerretDB/internal/types"
)

// something makes documents of every type of value, and of texts that are written in more than one way.
type something struct{ *rand.Rand }

func (r something) text() string {
	parts := []string{
		"a", "name", "_id", "https://mail.example/a?b=c&d=<e>", `"quoted"`, `\`, "/", "\n\t\r\b\f", "\x00\x1f", "ä", "😀", "\u2028", "\u2029", "\ufffd", "$k",
		"}", "{", "[", "]", ",", ":", `"$s":{}`, "null", "5", " ",
	}
	var b strings.Builder
	for range r.IntN(4) {
		b.WriteString(parts[r.IntN(len(parts))])
	}
	return b.String()
}

func (r something) key() string {
	switch r.IntN(12) {
	case 0:
		return r.text()
	case 1:
		return "$s"
	default:
		return fmt.Sprintf("%s%d", []string{"a", "settings", "_sort", "ü", "p", "$k", ""}[r.IntN(7)], r.IntN(20))
	}
}

func (r something) value(depth int) any {
	kinds := 13
	if depth == 0 {
		kinds = 11
	}
	switch r.IntN(kinds) {
	case 0:
		return r.text()
	case 1:
		return int32(r.Uint32())
	case 2:
		return []int64{0, 1, -1, math.MaxInt64, math.MinInt64, int64(r.Uint64()) >> r.IntN(60)}[r.IntN(6)]
	case 3:
		return []float64{0, 5, -5.5, 1e21, 1e-7, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Copysign(0, -1), r.NormFloat64()}[r.IntN(9)]
	case 4:
		return r.IntN(2) == 0
	case 5:
		return types.Null
	case 6:
		return time.UnixMilli(int64(r.Uint64()) >> (r.IntN(40) + 10))
	case 7:
		var id types.ObjectID
		for i := range id {
			id[i] = byte(r.Uint32())
		}
		return id
	case 8:
		b := types.Binary{Subtype: types.BinarySubtype(r.IntN(256)), B: []byte{}}
		for range r.IntN(20) {
			b.B = append(b.B, byte(r.Uint32()))
		}
		if r.IntN(10) == 0 {
			b.B = nil
		}
		return b
	case 9:
		return types.Timestamp(r.Uint64() >> r.IntN(60))
	case 10:
		return types.Regex{Pattern: r.text(), Options: []string{"", "i", "imx", `"`}[r.IntN(4)]}
	case 11:
		a := types.MakeArray(0)
		for range r.IntN(4) {
			a.Append(r.value(depth - 1))
		}
		return a
	default:
		return r.document(depth - 1)
	}
}

func (r something) document(depth int) *types.Document {
	d := types.MakeDocument(0)
	for range r.IntN(7) {
		d.Set(r.key(), r.value(depth))
	}
	return d
}

// same reports where unmarshal gives another document, or another answer, than FerretDB.
func same(t *testing.T, text string) (read bool) {
	t.Helper()
	want, failure := sjson.Unmarshal([]byte(text))
	got, ok := decode(text)
	switch {
	case !ok:
		return false
	case failure != nil:
		t.Fatalf("%s\nFerretDB refuses it: %v", text, failure)
	case !reflect.DeepEqual(got, want):
		t.Fatalf("%s\ngives %s\nwant  %s", text, types.FormatAnyValue(got), types.FormatAnyValue(want))
	}
	return true
}

// Documents of every type and form are read as FerretDB reads them, almost all of them without its help.
func TestStoredDocumentsAreReadAsFerretDBReadsThem(t *testing.T) {
	random := something{rand.New(rand.NewPCG(1, 2))}
	const all = 20000
	read := 0
	for range all {
		text, err := sjson.Marshal(random.document(3))
		if err != nil {
			t.Fatal(err)
		}
		if same(t, string(text)) {
			read++
		}
	}
	// Names with quotes, and a member $s, are rare outside of tests.
	if read < all/2 {
		t.Errorf("only %d of %d documents were read", read, all)
	}
}

// A text that is not what FerretDB writes is read as FerretDB reads it or left to it.
func TestDamagedDocumentsAreReadAsFerretDBReadsThem(t *testing.T) {
	random := something{rand.New(rand.NewPCG(3, 4))}
	pieces := []string{"", " ", `"`, "{", "}", "[", "]", ",", ":", "0", "-", "1", ".", "e", "null", "true", `\`, "\xff", "\x01", `"p"`, `"$k"`, `"t"`, `"$s"`, "a", "x"}
	for range 20000 {
		b, err := sjson.Marshal(random.document(2))
		if err != nil {
			t.Fatal(err)
		}
		text := string(b)
		for range 1 + random.IntN(3) {
			from := random.IntN(len(text) + 1)
			to := min(from+random.IntN(3), len(text))
			text = text[:from] + pieces[random.IntN(len(pieces))] + text[to:]
		}
		same(t, text)
	}
}

func TestFormsOfStoredDocuments(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		read bool
	}{
		"an empty document is read":                             {`{"$s":{}}`, true},
		"empty documents and arrays inside are read":            {`{"$s":{"p":{"a":{"t":"object","$s":{}},"b":{"t":"array","i":[]}},"$k":["a","b"]},"a":{},"b":[]}`, true},
		"a description after the values is left":                {`{"a":1,"$s":{"p":{"a":{"t":"int"}},"$k":["a"]}}`, false},
		"values in another order are left":                      {`{"$s":{"p":{"a":{"t":"int"},"b":{"t":"int"}},"$k":["a","b"]},"b":1,"a":2}`, false},
		"names in another order are left":                       {`{"$s":{"p":{"a":{"t":"int"},"b":{"t":"int"}},"$k":["b","a"]},"a":1,"b":2}`, false},
		"a name that stands there twice is left":                {`{"$s":{"p":{"a":{"t":"int"},"a":{"t":"int"}},"$k":["a","a"]},"a":1,"a":2}`, false},
		"a missing value is left":                               {`{"$s":{"p":{"a":{"t":"int"},"b":{"t":"int"}},"$k":["a","b"]},"a":1}`, false},
		"an unknown member is left":                             {`{"$s":{"p":{"a":{"t":"int"}},"$k":["a"]},"a":1,"b":2}`, false},
		"an unknown type is left":                               {`{"$s":{"p":{"a":{"t":"decimal"}},"$k":["a"]},"a":1}`, false},
		"a member called $s is left":                            {`{"$s":{"p":{"$s":{"t":"int"}},"$k":["$s"]},"$s":1}`, false},
		"null where another type is described is left":          {`{"$s":{"p":{"a":{"t":"string"}},"$k":["a"]},"a":null}`, false},
		"a number that is too large is left":                    {`{"$s":{"p":{"a":{"t":"int"}},"$k":["a"]},"a":2147483648}`, false},
		"a number with a zero before it is left":                {`{"$s":{"p":{"a":{"t":"long"}},"$k":["a"]},"a":01}`, false},
		"a fraction where a whole number is described is left":  {`{"$s":{"p":{"a":{"t":"long"}},"$k":["a"]},"a":1.5}`, false},
		"a word that a number may be in Go is left":             {`{"$s":{"p":{"a":{"t":"double"}},"$k":["a"]},"a":Inf}`, false},
		"bytes that are no characters are left":                 {"{\"$s\":{\"p\":{\"a\":{\"t\":\"string\"}},\"$k\":[\"a\"]},\"a\":\"\xff\"}", false},
		"half of a character in two halves is read as FerretDB": {`{"$s":{"p":{"a":{"t":"string"}},"$k":["a"]},"a":"\ud83d"}`, true},
		"spaces are left":                                       {`{"$s":{"p":{"a":{"t":"int"}},"$k":["a"]},"a": 1}`, false},
		"what stands behind is left":                            {`{"$s":{}}{}`, false},
		"an end in the middle is left":                          {`{"$s":{"p":{"a":{"t":"string"}},"$k":["a"]},"a":"x`, false},
		"nothing is left":                                       {``, false},
		"more depth than anybody stores is left": {
			`{"$s":{"p":{"a":` + strings.Repeat(`{"t":"array","i":[`, 600) + strings.Repeat("]}", 600) + `},"$k":["a"]},"a":` +
				strings.Repeat("[", 600) + strings.Repeat("]", 600) + "}", false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if read := same(t, c.text); read != c.read {
				t.Errorf("read: %v, want %v", read, c.read)
			}
			want, failure := sjson.Unmarshal([]byte(c.text))
			got, err := unmarshal(c.text)
			if (err == nil) != (failure == nil) || !reflect.DeepEqual(got, want) {
				t.Errorf("gives %v, error %v, want %v, error %v", got, err, want, failure)
			}
		})
	}
}

func FuzzUnmarshal(f *testing.F) {
	random := something{rand.New(rand.NewPCG(5, 6))}
	for range 100 {
		text, err := sjson.Marshal(random.document(2))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) { same(t, text) })
}

// registered is a document as large and as deep as that of a registered client.
func registered(tb testing.TB) string {
	tb.Helper()
	document := func(pairs ...any) *types.Document {
		d, err := types.NewDocument(pairs...)
		if err != nil {
			tb.Fatal(err)
		}
		return d
	}
	list := func(values ...any) *types.Array {
		a, err := types.NewArray(values...)
		if err != nil {
			tb.Fatal(err)
		}
		return a
	}
	now := time.UnixMilli(1790000000123)
	oauth := document(
		"clientId", "wUkRz3yq8MpXlULzqGm1xQ", "clientName", "Mail on the telephone of somebody", "clientIdIssuedAt", now, "applicationType", "web",
		"tokenEndpointAuthMethod", "client_secret_basic", "grantTypes", list("authorization_code", "client_credentials", "refresh_token"),
		"responseTypes", list("code"), "redirectUris", list("https://mail.example/callback?a=b&c=d"), "contacts", list("postmaster@mail.example"),
		"accessTokenValiditySeconds", int32(7200), "refreshTokenValiditySeconds", int32(14400), "idTokenValiditySeconds", int32(14400),
		"registrationClientUri", "https://gateway.example/crowd/oidc/register/wUkRz3yq8MpXlULzqGm1xQ",
		"registrationAccessTokenHash", types.Binary{B: make([]byte, 32)}, "scopeSettings", list(document("scope", "openid", "defaultScope", true)),
	)
	d := document(
		"_id", "5f8a1c0e-3a52-4c92-9b0e-6cf1f5f5a001", "domain", "0e2b2a7c-2a52-4c92-9b0e-6cf1f5f5a001", "name", "Mail on the telephone of somebody",
		"type", "NATIVE", "enabled", true, "createdAt", now, "updatedAt", now, "tokensValidFrom", now, "revision", int64(123456), "certificate", "es256",
		"secrets", list(document("id", "5f8a1c0e", "hash", document("algorithm", "SHA256", "value", types.Binary{B: make([]byte, 32)}), "createdAt", now)),
		"identityProviders", list(document("identity", "default-idp", "priority", int32(-1))),
		"registration", document("status", "ACTIVE"), "settings", document("oauth", oauth, "account", document("inherited", true)),
		"_sort", "mail on the telephone of somebody", "_search", list("mail on the telephone of somebody", "wukrz3yq8mpxlulzqgm1xq"),
		"_unique_clientId", "0e2b2a7c-2a52-4c92-9b0e-6cf1f5f5a001/wUkRz3yq8MpXlULzqGm1xQ",
	)
	text, err := sjson.Marshal(d)
	if err != nil {
		tb.Fatal(err)
	}
	if !json.Valid(text) {
		tb.Fatal("not JSON")
	}
	return string(text)
}

func BenchmarkUnmarshal(b *testing.B) {
	text := registered(b)
	b.Run("here", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := decode(text); !ok {
				b.Fatal("not read")
			}
		}
	})
	b.Run("FerretDB", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := sjson.Unmarshal([]byte(text)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
