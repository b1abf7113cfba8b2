package archive

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"strconv"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
)

// Errors of streams.
var (
	// ErrFormat says that the stream is no archive that this version reads.
	ErrFormat = errors.New("this is no archive that can be read here")
	// ErrDamaged says that a line is not what was written: it was changed, exchanged, left out or repeated.
	ErrDamaged = errors.New("the archive is damaged or was changed")
	// ErrCutOff says that the end of the archive is missing.
	ErrCutOff = errors.New("the archive is cut off: its end is missing")
)

const (
	format  = "gatehouse-archive"
	version = 1
	// MaxLine is the largest line, in bytes.
	MaxLine = 32 << 20
	// End is the kind of the last line.
	End = "end"
)

// Scopes of archives.
const (
	ScopeDomain       = "domain"
	ScopeInstallation = "installation"
)

// What has become of secrets.
const (
	Sealed  = "sealed"
	LeftOut = "left out"
)

// Header is the first line.
type Header struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	// ID identifies the archive.
	ID string `json:"id"`
	// Scope is domain or installation.
	Scope string `json:"scope"`
	// Secrets is sealed or left out, Derivation how the keys follow from the caller's where they are sealed.
	Secrets    string      `json:"secrets"`
	Derivation *Derivation `json:"derivation,omitempty"`
	// MadeAt is when, in RFC 3339, and MadeBy the version of the program.
	MadeAt string `json:"madeAt"`
	MadeBy string `json:"madeBy,omitempty"`
	// Revision is that of the configuration in it.
	Revision int64 `json:"revision"`
	// Domain is what a domain's archive holds.
	Domain *Domain `json:"domain,omitempty"`
	// Holds are the kinds of its lines, in the order in which they come.
	Holds []string `json:"holds"`
}

// Domain names a domain.
type Domain struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Path string `json:"path"`
}

// Record is a line between the first and the last.
type Record struct {
	// N counts from 1.
	N    int64
	Kind string
	Data prototree.Object
	// Text is Data as it was read.
	Text json.RawMessage
}

// chain makes the tags of lines.
type chain struct {
	key  []byte // nil: plain hashes
	last [sha256.Size]byte
}

func (c *chain) next(line []byte) [sha256.Size]byte {
	var h hash.Hash
	if c.key != nil {
		h = hmac.New(sha256.New, c.key)
	} else {
		h = sha256.New()
	}
	h.Write(c.last[:])
	h.Write(line)
	return [sha256.Size]byte(h.Sum(nil))
}

// A tag stands at the end of its line: ,"tag":"<43 characters>"}
const (
	tagBefore = `,"tag":"`
	tagAfter  = `"}`
	tagText   = 43
	tagBytes  = len(tagBefore) + tagText + len(tagAfter)
)

// tagged closes a line that lacks its last brace with its tag.
func (c *chain) tagged(open []byte) []byte {
	c.last = c.next(open)
	open = append(open, tagBefore...)
	open = base64.RawURLEncoding.AppendEncode(open, c.last[:])
	return append(open, tagAfter...)
}

// untagged returns a line without tag and last brace, and moves on. It is ErrDamaged where the tag is not the line's.
func (c *chain) untagged(line []byte) ([]byte, error) {
	at := len(line) - tagBytes
	if at < 1 || !bytes.HasPrefix(line[at:], []byte(tagBefore)) || !bytes.HasSuffix(line, []byte(tagAfter)) {
		return nil, ErrDamaged
	}
	given, err := base64.RawURLEncoding.Strict().DecodeString(string(line[at+len(tagBefore) : len(line)-len(tagAfter)]))
	want := c.next(line[:at])
	if err != nil || !hmac.Equal(given, want[:]) {
		return nil, ErrDamaged
	}
	c.last = want
	return line[:at], nil
}

// place binds what is sealed to its stream and its line.
func place(stream string, n int64, inside string) string {
	return "archive/" + stream + "/" + strconv.FormatInt(n, 10) + "/" + inside
}

func atLine(n int64, err error) error { return fmt.Errorf("line %d: %w", n+1, err) }
