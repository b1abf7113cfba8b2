package archive

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
)

// Reader reads an archive and verifies every line before it hands it on. It is not safe for concurrent use.
type Reader struct {
	in     *bufio.Reader
	header Header
	keys   *keys
	chain  chain
	n      int64
	counts map[string]int64
	failed error
}

// NewReader reads the first line of an archive. A key that is given must be the archive's own (ErrWrongKey, ErrNotSealed), and one
// that is needed must be given (ErrKeyNeeded).
func NewReader(r io.Reader, key Key) (*Reader, error) {
	in := &Reader{in: bufio.NewReaderSize(r, 64<<10), counts: map[string]int64{}}
	line, err := in.line()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: it is empty", ErrFormat)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("%w: its first line is cut off", ErrFormat)
	}
	if err != nil {
		return nil, err
	}
	var version struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
	}
	if json.Unmarshal(line, &version) != nil || version.Format != format {
		return nil, fmt.Errorf("%w: its first line is none of an archive", ErrFormat)
	}
	if version.Version != 1 {
		return nil, fmt.Errorf("%w: it has version %d of the format, and this program knows 1", ErrFormat, version.Version)
	}
	var tagged struct {
		Header
		Tag string `json:"tag"`
	}
	if err := strictly(line, &tagged); err != nil {
		return nil, fmt.Errorf("%w: its first line", ErrFormat)
	}
	in.header = tagged.Header
	if err := in.unlock(key); err != nil {
		return nil, err
	}
	if _, err := in.chain.untagged(line); err != nil {
		if in.keys != nil {
			return nil, ErrWrongKey
		}
		return nil, atLine(0, err)
	}
	return in, nil
}

func (r *Reader) unlock(key Key) error {
	h := r.header
	if h.Scope != ScopeDomain && h.Scope != ScopeInstallation || (h.Scope == ScopeDomain) != (h.Domain != nil) || h.ID == "" {
		return fmt.Errorf("%w: its first line", ErrFormat)
	}
	switch {
	case h.Secrets == LeftOut && h.Derivation == nil:
		if !key.None() {
			return ErrNotSealed
		}
		return nil
	case h.Secrets != Sealed || h.Derivation == nil:
		return fmt.Errorf("%w: its first line", ErrFormat)
	case key.None():
		return ErrKeyNeeded
	}
	var err error
	if r.keys, err = key.derive(h.Derivation); err == nil {
		r.chain.key = r.keys.tag
	}
	return err
}

// Header is the first line.
func (r *Reader) Header() Header { return r.header }

// Sealer opens the secrets of the record that was read last; nil where the archive has none.
func (r *Reader) Sealer() prototree.Sealer {
	if r.keys == nil {
		return nil
	}
	return sealer{r.keys.sealer, r.header.ID, r.n}
}

// Counts are how many records of each kind were read.
func (r *Reader) Counts() map[string]int64 { return r.counts }

// Next returns the next record, and io.EOF after the last one: the end was there then, and what it says is true. It is ErrCutOff
// where the stream ends before that and ErrDamaged where a line is not what was written, each with the number of the line. After
// an error there is nothing more.
func (r *Reader) Next() (Record, error) {
	if r.failed != nil {
		return Record{}, r.failed
	}
	record, err := r.next()
	if err != nil {
		if !errors.Is(err, io.EOF) {
			err = atLine(r.n+1, err)
		}
		r.failed = err
		return Record{}, err
	}
	r.n++
	if record.Kind == End {
		r.failed = r.end(record)
		return Record{}, r.failed
	}
	r.counts[record.Kind]++
	return record, nil
}

func (r *Reader) next() (Record, error) {
	line, err := r.line()
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Record{}, ErrCutOff
	case err != nil:
		return Record{}, err
	}
	open, err := r.chain.untagged(line)
	if err != nil {
		return Record{}, err
	}
	var read recordLine
	if err := strictly(append(open[:len(open):len(open)], '}'), &read); err != nil || read.N != r.n+1 || read.Kind == "" {
		return Record{}, ErrDamaged
	}
	record := Record{N: read.N, Kind: read.Kind, Text: read.Data}
	if record.Data, err = prototree.Parse(read.Data); err != nil {
		return Record{}, fmt.Errorf("%w: %s", ErrFormat, err) //nolint:errorlint // whoever asks wants to know that it is none
	}
	return record, nil
}

// end compares what the last line says with what was read, and looks whether anything follows.
func (r *Reader) end(last Record) error {
	var said ending
	if err := strictly(last.Text, &said); err != nil || !maps.Equal(said.Counts, r.counts) {
		return atLine(r.n, ErrDamaged)
	}
	if more, err := r.in.Peek(1); len(more) > 0 {
		return atLine(r.n+1, fmt.Errorf("%w: something follows its end", ErrDamaged))
	} else if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return io.EOF
}

// line returns the next line without its break. A last line without a break was cut off.
func (r *Reader) line() ([]byte, error) {
	var whole []byte
	for {
		part, err := r.in.ReadSlice('\n')
		if len(whole)+len(part) > MaxLine {
			return nil, fmt.Errorf("%w: a line is longer than %d bytes", ErrFormat, MaxLine)
		}
		whole = append(whole, part...)
		switch {
		case err == nil:
			return bytes.TrimSuffix(whole, []byte("\n")), nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(whole) > 0:
			return nil, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
	}
}

// strictly reads JSON that may have no other members than into has.
func strictly(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if d.More() {
		return ErrFormat
	}
	return nil
}
