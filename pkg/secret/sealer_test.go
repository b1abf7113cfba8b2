package secret

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func newSealer(t *testing.T, keys ...[]byte) *Sealer {
	t.Helper()
	s, err := NewSealer(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealThereAndBack(t *testing.T) {
	s := newSealer(t, NewKey())
	for _, plain := range []string{"", "secret", strings.Repeat("long ", 10_000)} {
		sealed := s.SealText("client/1", plain)
		if !strings.HasPrefix(sealed, "sealed:v1:"+s.KeyID()+":") || !IsSealed(sealed) || !s.Current(sealed) {
			t.Errorf("form of %.40q", sealed)
		}
		if plain != "" && strings.Contains(sealed, plain) {
			t.Error("the sealed value shows its content")
		}
		if sealed == s.SealText("client/1", plain) {
			t.Error("sealing twice gives the same text: the nonce repeats")
		}
		got, err := s.OpenText("client/1", sealed)
		if err != nil || got != plain {
			t.Errorf("opened %.20q, %v", got, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	s := newSealer(t, NewKey())
	sealed := s.SealText("client/1", "secret")
	head := "sealed:v1:" + s.KeyID() + ":"
	raw, err := base64.RawURLEncoding.DecodeString(sealed[len(head):])
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(raw)
	changed[len(changed)-1] ^= 1
	tests := []struct {
		name, place, sealed string
		want                error
	}{
		{"a value moved to another place", "client/2", sealed, ErrSealed},
		{"a changed value", "client/1", head + base64.RawURLEncoding.EncodeToString(changed), ErrSealed},
		{"a shortened value", "client/1", sealed[:len(sealed)-4], ErrSealed},
		{"less than a nonce", "client/1", head + "AAAA", ErrSealed},
		{"nothing behind the head", "client/1", head, ErrSealed},
		{"no base64", "client/1", head + "!!", ErrSealed},
		{"a plain text", "client/1", "secret", ErrSealed},
		{"an empty text", "client/1", "", ErrSealed},
		{"another version", "client/1", "sealed:v2:" + sealed[len("sealed:v1:"):], ErrSealed},
		{"a key that is not in the ring", "client/1", newSealer(t, NewKey()).SealText("client/1", "x"), ErrUnknownKey},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := s.Open(tt.place, tt.sealed)
			if !errors.Is(err, tt.want) || got != nil {
				t.Errorf("opened %q, %v", got, err)
			}
		})
	}
}

func TestAKeyIsReplacedByPuttingANewOneInFront(t *testing.T) {
	oldKey, newKey := NewKey(), NewKey()
	before := newSealer(t, oldKey)
	after := newSealer(t, newKey, oldKey)
	sealed := before.SealText("p", "secret")

	if got, err := after.OpenText("p", sealed); err != nil || got != "secret" {
		t.Errorf("opened %q, %v", got, err)
	}
	if after.Current(sealed) {
		t.Error("a value under the old key counts as current")
	}
	fresh := after.SealText("p", "secret")
	if !after.Current(fresh) {
		t.Error("the new key does not seal")
	}
	if _, err := before.Open("p", fresh); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("error %v", err)
	}
}

func TestNewSealerRefusesBadKeys(t *testing.T) {
	key := NewKey()
	for name, keys := range map[string][][]byte{
		"none":           nil,
		"a short one":    {key[:16]},
		"the same twice": {key, key},
	} {
		if _, err := NewSealer(keys...); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestSealingKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sealing.key")
	if err := GenerateSealingKeyFile(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	first, err := LoadSealingKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	sealed := first.SealText("p", "secret")

	if err := GenerateSealingKeyFile(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("an existing file was not kept: %v", err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}

	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ring := "# newest first\n" + base64.StdEncoding.EncodeToString(NewKey()) + "\r\n\n" + string(old)
	if err := os.WriteFile(path, []byte(ring), 0o600); err != nil {
		t.Fatal(err)
	}
	both, err := LoadSealingKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := both.OpenText("p", sealed); err != nil || got != "secret" || both.Current(sealed) {
		t.Errorf("opened %q, %v, current %v", got, err, both.Current(sealed))
	}
}

func TestLoadSealingKeysRefuses(t *testing.T) {
	dir := t.TempDir()
	tests := map[string]string{
		"an empty file":  "",
		"only comments":  "# nothing\n",
		"no base64":      "hunter2-hunter2!\n",
		"a short key":    base64.StdEncoding.EncodeToString([]byte("hunter2")) + "\n",
		"an endless one": strings.Repeat("A", maxKeyFile+1),
	}
	for name, content := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := LoadSealingKeys(path)
			if err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %v", err)
			}
		})
	}
	if _, err := LoadSealingKeys(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	s, err := NewSealer(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("p", s.SealText("other", "x"))
	f.Add("p", "sealed:v1:"+s.KeyID()+":AAAA")
	f.Fuzz(func(t *testing.T, place, sealed string) {
		if plain, err := s.Open(place, sealed); err == nil && !(place == "other" && string(plain) == "x") {
			t.Errorf("opened %q at %q", sealed, place)
		}
	})
}
