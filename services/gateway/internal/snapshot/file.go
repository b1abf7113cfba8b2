package snapshot

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/configsync"
)

const (
	format  = "gatehouse-snapshot"
	version = 1
	// keyBytes are needed to seal a snapshot.
	keyBytes = 32
	// maxHeader bounds the first line: 10,000 domains are 400 kB.
	maxHeader = 4 << 20
)

// The kinds of records.
const (
	message byte = 'm' // of the configuration stream
	moment  byte = 't' // when the state was current: seconds since 1970, big-endian
)

// header is the first line.
type header struct {
	Format  string   `json:"format"`
	Version int      `json:"version"`
	Salt    []byte   `json:"salt"`
	Domains []string `json:"domains"`
}

// sealer seals and opens the records of one file, in their order.
type sealer struct {
	aead cipher.AEAD
	next uint64
}

func newSealer(key []byte, salt []byte, line []byte) (*sealer, error) {
	own, err := hkdf.Key(sha256.New, key, salt, "gatehouse snapshot\n"+string(line), keyBytes)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(own)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &sealer{aead: aead}, nil
}

func (s *sealer) nonce() []byte {
	n := make([]byte, s.aead.NonceSize())
	binary.BigEndian.PutUint64(n[len(n)-8:], s.next)
	s.next++
	return n
}

// writer writes a file from its beginning.
type writer struct {
	to *bufio.Writer
	*sealer
	written int64
}

func newWriter(to io.Writer, key []byte, domains []string) (*writer, error) {
	h := header{Format: format, Version: version, Salt: make([]byte, 32), Domains: domains}
	rand.Read(h.Salt)
	line, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	s, err := newSealer(key, h.Salt, line)
	if err != nil {
		return nil, err
	}
	w := &writer{to: bufio.NewWriterSize(to, 1<<16), sealer: s}
	return w, w.write(append(line, '\n'))
}

func (w *writer) write(p []byte) error {
	n, err := w.to.Write(p)
	w.written += int64(n)
	return err
}

func (w *writer) record(kind byte, plain []byte) error {
	head := make([]byte, 5)
	binary.BigEndian.PutUint32(head, uint32(len(plain)+w.aead.Overhead())) //nolint:gosec // at most a message
	head[4] = kind
	if err := w.write(head); err != nil {
		return err
	}
	return w.write(w.aead.Seal(nil, w.nonce(), plain, head))
}

// batch writes a batch and when it came into effect, and hands it to the system.
func (w *writer) batch(b configsync.Batch, at time.Time) error {
	for m, err := range b.Messages() {
		if err != nil {
			return err
		}
		if err := w.record(message, m); err != nil {
			return err
		}
	}
	return w.current(at)
}

// current says that what was written so far is current.
func (w *writer) current(at time.Time) error {
	if err := w.record(moment, binary.BigEndian.AppendUint64(nil, uint64(at.Unix()))); err != nil { //nolint:gosec // of this century
		return err
	}
	return w.to.Flush()
}

// errEnd is the end of what is whole.
var errEnd = errors.New("the end of what is whole")

// reader reads a file.
type reader struct {
	from *bufio.Reader
	*sealer
}

// newReader reads the first line. The file has to be one of the same domains.
func newReader(from io.Reader, key []byte, domains []string) (*reader, error) {
	r := &reader{from: bufio.NewReaderSize(from, 1<<16)}
	line, err := r.line()
	if err != nil {
		return nil, err
	}
	var h header
	if err := json.Unmarshal(line, &h); err != nil || h.Format != format {
		return nil, errors.New("it is no snapshot of a gateway")
	}
	if h.Version != version {
		return nil, fmt.Errorf("it has the form %d, which this version does not know", h.Version)
	}
	if !slices.Equal(h.Domains, domains) {
		return nil, errors.New("it is of other domains (--domains)")
	}
	r.sealer, err = newSealer(key, h.Salt, line)
	return r, err
}

func (r *reader) line() ([]byte, error) {
	var line []byte
	for len(line) < maxHeader {
		part, err := r.from.ReadSlice('\n')
		line = append(line, part...)
		if err == nil {
			return line[:len(line)-1], nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			break
		}
	}
	return nil, errors.New("it is no snapshot of a gateway")
}

// errSealed is a record that the key does not open.
var errSealed = errors.New("it was changed, or sealed with another key")

// record reads the next one; errEnd is where nothing whole follows.
func (r *reader) record() (kind byte, plain []byte, err error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(r.from, head); err != nil {
		return 0, nil, errEnd
	}
	size := binary.BigEndian.Uint32(head)
	if size > configsync.MaxMessageBytes+uint32(r.aead.Overhead()) { //nolint:gosec // 16
		return 0, nil, errSealed
	}
	sealed := make([]byte, size)
	if _, err := io.ReadFull(r.from, sealed); err != nil {
		return 0, nil, errEnd
	}
	plain, err = r.aead.Open(sealed[:0], r.nonce(), sealed, head)
	if err != nil {
		return 0, nil, errSealed
	}
	return head[4], plain, nil
}
