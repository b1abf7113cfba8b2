package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
)

// Writer writes an archive. It is not safe for concurrent use.
type Writer struct {
	w      io.Writer
	header Header
	keys   *keys
	chain  chain
	n      int64
	counts map[string]int64
	failed error
}

// NewWriter begins an archive with its first line. Of the header it sets what says how the archive is made.
func NewWriter(w io.Writer, key Key, h Header, now time.Time) (*Writer, error) {
	h.Format, h.Version, h.ID, h.MadeAt = format, version, secret.NewID(), now.UTC().Format(time.RFC3339)
	h.Secrets, h.Derivation = LeftOut, nil
	out := &Writer{w: w, counts: map[string]int64{}}
	if !key.None() {
		h.Secrets, h.Derivation = Sealed, key.derivation()
		var err error
		if out.keys, err = key.derive(h.Derivation); err != nil {
			return nil, err
		}
		out.chain.key = out.keys.tag
	}
	out.header = h
	text, err := encode(h)
	if err != nil {
		return nil, err
	}
	return out, out.line(text)
}

// Header is the first line.
func (w *Writer) Header() Header { return w.header }

// Sealer seals the secrets of the next record; nil where secrets are left out.
func (w *Writer) Sealer() prototree.Sealer {
	if w.keys == nil {
		return nil
	}
	return sealer{w.keys.sealer, w.header.ID, w.n + 1}
}

// Write writes a record.
func (w *Writer) Write(kind string, data any) error {
	if err := w.record(kind, data); err != nil {
		return err
	}
	w.counts[kind]++
	return nil
}

// Close writes the end. Without it the archive is cut off. It does not close what it writes to.
func (w *Writer) Close() error {
	return w.record(End, ending{w.counts})
}

// Counts are how many records of each kind were written.
func (w *Writer) Counts() map[string]int64 { return w.counts }

// ending is what the last line holds.
type ending struct {
	Counts map[string]int64 `json:"counts"`
}

// recordLine is a record without its tag.
type recordLine struct {
	N    int64           `json:"n"`
	Kind string          `json:"kind"`
	Data json.RawMessage `json:"data"`
}

func (w *Writer) record(kind string, data any) error {
	if w.failed != nil {
		return w.failed
	}
	text, err := encode(data)
	if err != nil {
		return fmt.Errorf("archive %s: %w", kind, err)
	}
	line, err := encode(recordLine{w.n + 1, kind, text})
	if err != nil {
		return fmt.Errorf("archive %s: %w", kind, err)
	}
	if len(line)+tagBytes > MaxLine {
		return fmt.Errorf("archive %s: the record is larger than %d bytes", kind, MaxLine)
	}
	w.n++
	return w.line(line)
}

// line writes an object with its tag.
func (w *Writer) line(object []byte) error {
	line := w.chain.tagged(object[:len(object)-1])
	if _, err := w.w.Write(append(line, '\n')); err != nil {
		w.failed = errors.Join(errors.New("the archive could not be written"), err)
		return w.failed
	}
	return nil
}

func encode(v any) ([]byte, error) { return json.Marshal(v) }

// sealer binds what it seals to a line of a stream.
type sealer struct {
	*secret.Sealer
	stream string
	n      int64
}

// Seal implements prototree.Sealer.
func (s sealer) Seal(inside string, plain []byte) string {
	return s.Sealer.Seal(place(s.stream, s.n, inside), plain)
}

// Open implements prototree.Sealer.
func (s sealer) Open(inside, sealed string) ([]byte, error) {
	return s.Sealer.Open(place(s.stream, s.n, inside), sealed)
}
