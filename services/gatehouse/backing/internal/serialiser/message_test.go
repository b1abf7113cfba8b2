package serialiser

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"strings"
	"testing"

	"github.com/FerretDB/wire/wirebson"
	"github.com/google/go-cmp/cmp"
)

// raw is a message with the given content after its header.
func raw(id, code int32, content ...[]byte) message {
	m := append(make(message, headerSize), bytes.Join(content, nil)...)
	putHeader(m, id, 0)
	binary.LittleEndian.PutUint32(m[12:], uint32(code))
	return m
}

func u32(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }

func document(t testing.TB, pairs ...any) wirebson.RawDocument {
	t.Helper()
	doc, err := wirebson.MustDocument(pairs...).Encode()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// body is a section of kind 0.
func body(doc wirebson.RawDocument) []byte { return append([]byte{0}, doc...) }

// section is a section of kind 1.
func section(name string, docs ...wirebson.RawDocument) []byte {
	content := append([]byte(name), 0)
	for _, d := range docs {
		content = append(content, d...)
	}
	return append(append([]byte{1}, u32(uint32(len(content)+4))...), content...)
}

// withChecksum sets the flag and appends the checksum.
func withChecksum(m message) message {
	binary.LittleEndian.PutUint32(m[headerSize:], binary.LittleEndian.Uint32(m[headerSize:])|flagChecksum)
	binary.LittleEndian.PutUint32(m, uint32(len(m)+checksumSize))
	return append(m, u32(crc32.Checksum(m, castagnoli))...)
}

func TestReadMessage(t *testing.T) {
	tests := []struct {
		name  string
		input []byte
		want  error // any error if errAny
	}{
		{"a message is read whole", raw(1, opMsg, []byte("content")), nil},
		{"a header alone is a message", raw(1, opMsg), nil},
		{"the end of the stream between messages is io.EOF", nil, io.EOF},
		{"the end within the header is unexpected", raw(1, opMsg)[:15], io.ErrUnexpectedEOF},
		{"the end within the content is unexpected", raw(1, opMsg, []byte("content"))[:20], io.ErrUnexpectedEOF},
		{"the end right after the header is unexpected", raw(1, opMsg, []byte("content"))[:16], io.ErrUnexpectedEOF},
		{"a length below the header's is refused", append(u32(15), make([]byte, 12)...), errAny},
		{"a negative length is refused", append(u32(1<<31), make([]byte, 12)...), errAny},
		{"a length above 48 MB is refused", append(u32(maxMessageSize+1), make([]byte, 12)...), errAny},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rest := strings.NewReader("next")
			m, err := readMessage(io.MultiReader(bytes.NewReader(tt.input), &onlyAfterSuccess{rest, tt.want == nil}))
			if errors.Is(tt.want, errAny) && err != nil {
				return
			}
			if !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if err == nil && (!bytes.Equal(m, tt.input) || rest.Len() != 4) {
				t.Errorf("message %x with %d bytes left, want %x and 4", m, rest.Len(), tt.input)
			}
		})
	}
}

var errAny = errors.New("any error")

// onlyAfterSuccess adds further input behind a complete message.
type onlyAfterSuccess struct {
	r      io.Reader
	follow bool
}

func (o *onlyAfterSuccess) Read(b []byte) (int, error) {
	if !o.follow {
		return 0, io.EOF
	}
	return o.r.Read(b)
}

func TestAClaimedLengthTakesNoMemory(t *testing.T) {
	claim := append(u32(maxMessageSize), make([]byte, 12)...)
	result := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			_, _ = readMessage(bytes.NewReader(claim))
		}
	})
	if n := result.AllocedBytesPerOp(); n > 1<<20 {
		t.Errorf("%d bytes allocated for a message that never came", n)
	}
}

func TestParseCommand(t *testing.T) {
	ping := body(document(t, "ping", int32(1)))
	two := section("updates", document(t, "a", int32(1)), document(t, "b", int32(2)))
	broken := withChecksum(raw(1, opMsg, u32(0), ping))
	broken[len(broken)-1] ^= 1
	tests := []struct {
		name string
		m    message
		want string // part of the error, empty for none
	}{
		{"a body is enough", raw(1, opMsg, u32(0), ping), ""},
		{"sequences may follow", raw(1, opMsg, u32(0), ping, two), ""},
		{"sequences may lead", raw(1, opMsg, u32(0), two, ping), ""},
		{"a sequence may be empty", raw(1, opMsg, u32(0), ping, section("updates")), ""},
		{"optional flags are ignored", raw(1, opMsg, u32(1<<16|1<<20), ping), ""},
		{"a right checksum is accepted", withChecksum(raw(1, opMsg, u32(0), ping)), ""},
		{"a wrong checksum is refused", broken, "checksum"},
		{"a checksum needs room", raw(1, opMsg, u32(flagChecksum), []byte{0}), "checksum"},
		{"unknown required flags are refused", raw(1, opMsg, u32(1<<5), ping), "flags"},
		{"flags are needed", raw(1, opMsg, []byte{0}), "flags"},
		{"a body is needed", raw(1, opMsg, u32(0), two), "without a body"},
		{"a second body is refused", raw(1, opMsg, u32(0), ping, ping), "two bodies"},
		{"an unknown section is refused", raw(1, opMsg, u32(0), []byte{2}), "section kind"},
		{"a body longer than the message is refused", raw(1, opMsg, u32(0), ping[:len(ping)-1]), "message body"},
		{"a sequence longer than the message is refused", raw(1, opMsg, u32(0), ping, two[:len(two)-1]), "size"},
		{"a sequence without size is refused", raw(1, opMsg, u32(0), ping, []byte{1, 9}), "size"},
		{"a sequence of size zero is refused", raw(1, opMsg, u32(0), ping, []byte{1, 0, 0, 0, 0}), "size"},
		{"a sequence without a name is refused", raw(1, opMsg, u32(0), ping, []byte{1, 6, 0, 0, 0, 'a', 'b'}), "name"},
		{"a sequence with half a document is refused", raw(1, opMsg, u32(0), ping, section("u", []byte{9, 0, 0, 0, 0})), "sequence"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := parseCommand(tt.m)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("error %v, want one about %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.name() != "ping" || c.id != 1 || c.moreToCome {
				t.Errorf("command %q with id %d, more to come %v", c.name(), c.id, c.moreToCome)
			}
			again, err := parseCommand(c.encode())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c, again, cmp.AllowUnexported(command{}, sequence{})); diff != "" {
				t.Errorf("parsed, encoded and parsed again (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzParseCommand(f *testing.F) {
	ping := body(document(f, "ping", int32(1)))
	f.Add([]byte(raw(1, opMsg, u32(0), ping, section("updates", document(f, "a", int32(1))))))
	f.Add([]byte(withChecksum(raw(1, opMsg, u32(0), ping))))
	f.Add([]byte(raw(1, opMsg, u32(0), body(document(f, "update", "c", "updates", wirebson.MustArray(wirebson.MustDocument(), wirebson.MustDocument()))))))
	f.Add([]byte(raw(1, opMsg, u32(0), body(document(f, "ok", float64(0), "code", int32(11000), "errmsg", "x")))))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := readMessage(bytes.NewReader(b))
		if err != nil {
			return
		}
		c, err := parseCommand(m)
		if err != nil {
			return
		}
		if _, err := parseCommand(c.encode()); err != nil {
			t.Errorf("what was parsed cannot be parsed again: %v", err)
		}
		_, _ = newBatch(c)
		_ = amend(c, m)
	})
}
