package serialiser

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/FerretDB/wire/wirebson"
)

// Sizes in bytes. The largest message is what FerretDB and MongoDB announce as maxMessageSizeBytes.
const (
	headerSize     = 16
	flagsSize      = 4
	checksumSize   = 4
	maxMessageSize = 48_000_000
)

// Operation codes that may pass. OP_QUERY and its answer OP_REPLY carry only the first handshake of a driver.
const (
	opReply int32 = 1
	opQuery int32 = 2004
	opMsg   int32 = 2013
)

// Flags of OP_MSG. The lower sixteen bits must be understood or refused, the upper ones may be ignored.
const (
	flagChecksum   uint32 = 1 << 0
	flagMoreToCome uint32 = 1 << 1
	flagsRequired  uint32 = 1<<16 - 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// message is a whole wire message: the header, of which every message has all sixteen bytes, and what follows.
type message []byte

func (m message) id() int32         { return int32(binary.LittleEndian.Uint32(m[4:])) }
func (m message) responseTo() int32 { return int32(binary.LittleEndian.Uint32(m[8:])) }
func (m message) opCode() int32     { return int32(binary.LittleEndian.Uint32(m[12:])) }

// readMessage reads one message. It returns io.EOF if the stream ended before its first byte, and takes memory for what
// has arrived, not for what the header claims.
func readMessage(r io.Reader) (message, error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	length := int64(int32(binary.LittleEndian.Uint32(header[:])))
	if length < headerSize || length > maxMessageSize {
		return nil, fmt.Errorf("message length %d is not between %d and %d", length, headerSize, maxMessageSize)
	}

	buf := bytes.NewBuffer(make([]byte, 0, min(length+bytes.MinRead, 64<<10)))
	buf.Write(header[:])
	if _, err := io.CopyN(buf, r, length-headerSize); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return buf.Bytes(), nil
}

// command is the content of an OP_MSG request.
type command struct {
	id         int32
	moreToCome bool // the client does not wait for an answer
	body       wirebson.RawDocument
	sequences  []sequence
}

// sequence is a list of documents that belongs into the body under its name (a section of kind 1).
type sequence struct {
	name      string
	documents []wirebson.RawDocument
}

// parseCommand takes an OP_MSG apart and verifies its checksum, if it has one. The result shares the message's memory.
func parseCommand(m message) (command, error) {
	c := command{id: m.id()}
	if len(m) < headerSize+flagsSize {
		return c, errors.New("message ends before its flags")
	}
	flags := binary.LittleEndian.Uint32(m[headerSize:])
	if unknown := flags & flagsRequired &^ (flagChecksum | flagMoreToCome); unknown != 0 {
		return c, fmt.Errorf("unknown message flags %#x", unknown)
	}
	c.moreToCome = flags&flagMoreToCome != 0

	rest := []byte(m[headerSize+flagsSize:])
	if flags&flagChecksum != 0 {
		if len(rest) < checksumSize {
			return c, errors.New("message ends before its checksum")
		}
		end := len(m) - checksumSize
		if crc32.Checksum(m[:end], castagnoli) != binary.LittleEndian.Uint32(m[end:]) {
			return c, errors.New("message checksum does not match")
		}
		rest = rest[:len(rest)-checksumSize]
	}
	for len(rest) > 0 {
		kind := rest[0]
		var err error
		switch kind {
		case 0:
			rest, err = c.parseBody(rest[1:])
		case 1:
			rest, err = c.parseSequence(rest[1:])
		default:
			err = fmt.Errorf("unknown section kind %d", kind)
		}
		if err != nil {
			return c, err
		}
	}
	if c.body == nil {
		return c, errors.New("message without a body")
	}
	return c, nil
}

func (c *command) parseBody(b []byte) (rest []byte, err error) {
	if c.body != nil {
		return nil, errors.New("message with two bodies")
	}
	n, err := wirebson.FindRaw(b)
	if err != nil {
		return nil, fmt.Errorf("message body: %w", err)
	}
	c.body = b[:n]
	return b[n:], nil
}

func (c *command) parseSequence(b []byte) (rest []byte, err error) {
	if len(b) < 4 {
		return nil, errors.New("document sequence without a size")
	}
	size := int64(binary.LittleEndian.Uint32(b))
	if size < 5 || size > int64(len(b)) {
		return nil, fmt.Errorf("document sequence size %d does not fit into the message", size)
	}
	section, rest := b[4:size], b[size:]

	name, documents, found := bytes.Cut(section, []byte{0})
	if !found {
		return nil, errors.New("document sequence without a name")
	}
	s := sequence{name: string(name)}
	for len(documents) > 0 {
		n, err := wirebson.FindRaw(documents)
		if err != nil {
			return nil, fmt.Errorf("document sequence: %w", err)
		}
		s.documents = append(s.documents, documents[:n])
		documents = documents[n:]
	}
	c.sequences = append(c.sequences, s)
	return rest, nil
}

// name is the command's name: the name of the body's first element.
func (c command) name() string {
	if len(c.body) < 6 {
		return ""
	}
	name, _, _ := bytes.Cut(c.body[5:], []byte{0})
	return string(name)
}

// encode writes the command as an OP_MSG without flags: it is always answered, with one message.
func (c command) encode() message {
	m := make(message, headerSize+flagsSize, headerSize+flagsSize+1+len(c.body))
	m = append(m, 0)
	m = append(m, c.body...)
	for _, s := range c.sequences {
		m = append(m, 1)
		start := len(m)
		m = append(m, 0, 0, 0, 0)
		m = append(m, s.name...)
		m = append(m, 0)
		for _, d := range s.documents {
			m = append(m, d...)
		}
		binary.LittleEndian.PutUint32(m[start:], uint32(len(m)-start))
	}
	putHeader(m, c.id, 0)
	return m
}

// encodeReply writes an OP_MSG answer to the request with the given id.
func encodeReply(responseTo int32, doc *wirebson.Document) (message, error) {
	body, err := doc.Encode()
	if err != nil {
		return nil, err
	}
	m := make(message, headerSize+flagsSize, headerSize+flagsSize+1+len(body))
	m = append(m, 0)
	m = append(m, body...)
	putHeader(m, responseTo, responseTo)
	return m, nil
}

func putHeader(m message, id, responseTo int32) {
	binary.LittleEndian.PutUint32(m, uint32(len(m)))
	binary.LittleEndian.PutUint32(m[4:], uint32(id))
	binary.LittleEndian.PutUint32(m[8:], uint32(responseTo))
	binary.LittleEndian.PutUint32(m[12:], uint32(opMsg))
}
