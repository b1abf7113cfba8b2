package archive_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/archive"
)

const phrase = "correct horse battery"

func key(t testing.TB) archive.Key {
	t.Helper()
	k, err := archive.Bytes(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// made returns an archive of three records, each with a secret where there is a key.
func made(t testing.TB, k archive.Key) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := archive.NewWriter(&out, k, archive.Header{
		Scope: archive.ScopeDomain, Domain: &archive.Domain{ID: "d1", Name: "shop", Path: "/shop"}, Holds: []string{"domain", "user"},
	}, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	for i, kind := range []string{"domain", "user", "user"} {
		data := map[string]any{"id": fmt.Sprint(i)}
		if s := w.Sealer(); s != nil {
			data["secret"] = s.Seal("here", []byte("rosebud"))
		}
		if err := w.Write(kind, data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// read reads an archive to its end, or to what is wrong with it, and says how many records came before.
func read(text []byte, k archive.Key) (int, error) {
	r, err := archive.NewReader(bytes.NewReader(text), k)
	if err != nil {
		return 0, err
	}
	for n := 0; ; n++ {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		if s := r.Sealer(); s != nil {
			plain, err := s.Open("here", record.Data["secret"].(string))
			if err != nil || string(plain) != "rosebud" {
				return n, fmt.Errorf("the secret is %q, %w", plain, err)
			}
		}
	}
}

func TestThereAndBack(t *testing.T) {
	passphrase, err := archive.Passphrase(phrase)
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]archive.Key{"without a key": {}, "with a key of 32 bytes": key(t), "with a passphrase": passphrase} {
		t.Run(name, func(t *testing.T) {
			text := made(t, k)
			if n, err := read(text, k); n != 3 || err != nil {
				t.Errorf("%d records, %v", n, err)
			}
			if bytes.Contains(text, []byte("rosebud")) {
				t.Error("the secret can be read")
			}
			r, err := archive.NewReader(bytes.NewReader(text), k)
			if err != nil {
				t.Fatal(err)
			}
			want := archive.LeftOut
			if !k.None() {
				want = archive.Sealed
			}
			if r.Header().Secrets != want {
				t.Errorf("the header says that secrets are %s", r.Header().Secrets)
			}
		})
	}
}

func TestWrongKeys(t *testing.T) {
	other, _ := archive.Bytes(bytes.Repeat([]byte{8}, 32))
	one, _ := archive.Passphrase(phrase)
	another, _ := archive.Passphrase(phrase + "!")
	for _, tt := range []struct {
		name       string
		made, read archive.Key
		want       error
	}{
		{"another key is refused at the first line", key(t), other, archive.ErrWrongKey},
		{"another passphrase is refused at the first line", one, another, archive.ErrWrongKey},
		{"a passphrase does not open what a key has sealed", key(t), one, archive.ErrWrongKey},
		{"a key does not open what a passphrase has sealed", one, key(t), archive.ErrWrongKey},
		{"sealed secrets need a key", key(t), archive.Key{}, archive.ErrKeyNeeded},
		{"a key for an archive without secrets is a mistake", archive.Key{}, key(t), archive.ErrNotSealed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := read(made(t, tt.made), tt.read); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
	for name, p := range map[string]string{"a short passphrase": "hunter2", "an endless one": strings.Repeat("x", 2000)} {
		if _, err := archive.Passphrase(p); !errors.Is(err, archive.ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := archive.Bytes([]byte("short")); !errors.Is(err, archive.ErrKey) {
		t.Errorf("a short key: %v", err)
	}
}

// TestEveryFlippedBit flips bits of every byte of an archive: none passes, and no record comes after the line that it is in.
func TestEveryFlippedBit(t *testing.T) {
	for name, k := range map[string]archive.Key{"without a key": {}, "with a key": key(t)} {
		t.Run(name, func(t *testing.T) {
			text := made(t, k)
			for at := range text {
				line := bytes.Count(text[:at], []byte("\n"))
				for _, bit := range []int{0, 5} {
					flipped := bytes.Clone(text)
					flipped[at] ^= 1 << bit
					if n, err := read(flipped, k); err == nil || n > max(line-1, 0) {
						t.Fatalf("bit %d of byte %d, in line %d: %d records, %v", bit, at, line+1, n, err)
					}
				}
			}
		})
	}
}

func TestCutOffAnywhere(t *testing.T) {
	k := key(t)
	text := made(t, k)
	for at := range text {
		if _, err := read(text[:at], k); err == nil {
			t.Fatalf("an archive of %d of %d bytes passes", at, len(text))
		}
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	if n, err := read(bytes.Join(lines[:4], nil), k); n != 3 || !errors.Is(err, archive.ErrCutOff) || !strings.Contains(err.Error(), "line 5") {
		t.Errorf("without its end: %d records, %v", n, err)
	}
}

func TestLinesStayInTheirPlace(t *testing.T) {
	k := key(t)
	text, other := bytes.SplitAfter(made(t, k), []byte("\n")), bytes.SplitAfter(made(t, k), []byte("\n"))
	for _, tt := range []struct {
		name  string
		lines [][]byte
	}{
		{"exchanged", [][]byte{text[0], text[1], text[3], text[2], text[4]}},
		{"left out", [][]byte{text[0], text[1], text[3], text[4]}},
		{"repeated", [][]byte{text[0], text[1], text[1], text[2], text[3], text[4]}},
		{"from another archive under the same key", [][]byte{text[0], text[1], other[2], text[3], text[4]}},
		{"a whole other archive under this header", [][]byte{text[0], other[1], other[2], other[3], other[4]}},
		{"an end too early", [][]byte{text[0], text[1], text[4]}},
		{"something after the end", [][]byte{text[0], text[1], text[2], text[3], text[4], text[4]}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := read(bytes.Join(tt.lines, nil), k); !errors.Is(err, archive.ErrDamaged) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestSecretsAreBoundToTheirLine(t *testing.T) {
	var out bytes.Buffer
	w, err := archive.NewWriter(&out, key(t), archive.Header{Scope: archive.ScopeInstallation}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	sealed := w.Sealer().Seal("here", []byte("rosebud"))
	for range 2 { // the second record has the secret of the first
		if err := w.Write("domain", map[string]any{"secret": sealed}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := read(out.Bytes(), key(t)); n != 1 || err == nil {
		t.Errorf("%d records, %v", n, err)
	}
}

func TestWhatIsNoArchive(t *testing.T) {
	hostile := `{"format":"gatehouse-archive","version":1,"id":"x","scope":"installation","secrets":"sealed","derivation":{"name":"argon2id",` +
		`"salt":"AAAAAAAAAAAAAAAAAAAAAA==","memoryKiB":4194304,"passes":1,"lanes":1},"madeAt":"","revision":0,"holds":[],"tag":"x"}` + "\n"
	for name, text := range map[string]string{
		"nothing":                        "",
		"half a line":                    `{"format":`,
		"a blank line":                   "\n",
		"JSON of something else":         `{"users":[]}` + "\n",
		"a list":                         "[]\n",
		"a later version":                `{"format":"gatehouse-archive","version":2}` + "\n",
		"a key that takes 4 GiB to make": hostile,
		"an endless line":                strings.Repeat("x", archive.MaxLine+1),
	} {
		t.Run(name, func(t *testing.T) {
			k, _ := archive.Passphrase(phrase)
			if _, err := read([]byte(text), k); !errors.Is(err, archive.ErrFormat) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestKeysAreNotPrinted(t *testing.T) {
	k, _ := archive.Passphrase(phrase)
	if text := fmt.Sprintf("%v %+v %#v %s", k, k, k, k); strings.Contains(text, "horse") {
		t.Error(text)
	}
}

type stuck struct{ after int }

var errStuck = errors.New("full")

func (s *stuck) Write(p []byte) (int, error) {
	if s.after--; s.after < 0 {
		return 0, errStuck
	}
	return len(p), nil
}

func TestNothingFollowsAFailedWrite(t *testing.T) {
	out := &stuck{after: 1}
	w, err := archive.NewWriter(out, archive.Key{}, archive.Header{Scope: archive.ScopeInstallation}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write("domain", map[string]any{}); !errors.Is(err, errStuck) {
		t.Errorf("error %v", err)
	}
	out.after = 9
	if err := w.Close(); !errors.Is(err, errStuck) {
		t.Errorf("the end was written after a record was lost: %v", err)
	}
	if diff := cmp.Diff(map[string]int64{}, w.Counts()); diff != "" {
		t.Error(diff)
	}
}

func FuzzReader(f *testing.F) {
	k := key(f)
	f.Add(made(f, k))
	f.Add([]byte(`{"format":"gatehouse-archive","version":1}`))
	f.Fuzz(func(_ *testing.T, text []byte) { _, _ = read(text, k) })
}
