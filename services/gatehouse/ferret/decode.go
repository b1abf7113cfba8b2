package gatehouse

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/FerretDB/FerretDB/internal/handler/sjson"
	"github.com/FerretDB/FerretDB/internal/types"
)

// unmarshal is sjson.Unmarshal, about twenty times as fast.
//
// A document is stored as JSON beside a description of its types, which stands first:
//
//	{"$s":{"p":{"a":{"t":"string"},"b":{"t":"object","$s":{"p":{"c":{"t":"long"}},"$k":["c"]}}},"$k":["a","b"]},"a":"x","b":{"c":5}}
//
// FerretDB takes it apart into one map of texts after the other and decodes each by itself. Here description and values are
// read side by side, once. This understands the form in which FerretDB writes, and nothing else: whatever looks different,
// be it right or wrong, is left to FerretDB.
func unmarshal(text string) (*types.Document, error) {
	if d, ok := decode(text); ok {
		return d, nil
	}
	return sjson.Unmarshal([]byte(text))
}

// deepest is how far documents and arrays may be nested. It is more than FerretDB takes from clients.
const deepest = 500

// decoder reads a stored document. Methods that return false have found what it does not understand, and it is of no use
// any more. Texts in what it returns are parts of the text that it reads.
type decoder struct {
	text   string
	schema int // where the description is read
	value  int // where the values are read
	depth  int

	// Of documents and arrays that are being read, as stacks.
	keys   []string
	values []any
}

// Keys are the names of a document's members, for types.ConvertDocument.
func (m members) Keys() []string { return m.keys }

// Values are the values beside them.
func (m members) Values() []any { return m.values }

type members struct {
	keys   []string
	values []any
}

// decode returns the document of a text in FerretDB's form.
func decode(text string) (*types.Document, bool) {
	const begin = `{"$s":`
	if !strings.HasPrefix(text, begin) || !utf8.ValidString(text) {
		return nil, false
	}
	end := behind(text, len(begin))
	d := decoder{text: text, schema: len(begin), value: end, keys: make([]string, 0, 64), values: make([]any, 0, 64)}
	document, ok := d.document(',')
	if !ok || d.schema != end || d.value != len(text) || document.Has("$s") {
		return nil, false
	}
	return document, true
}

// behind returns where the object ends that begins at a place, or the end of the text.
func behind(text string, from int) int {
	open := 0
	for i := from; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '{':
			open++
		case '}':
			if open--; open == 0 {
				return i + 1
			}
		}
	}
	return len(text)
}

// document reads {"p":{"a":<element>,…},"$k":["a",…]} and {"a":<value>,…}, of which the first character differs at the
// top, where the values follow the description.
func (d *decoder) document(open byte) (*types.Document, bool) {
	if !d.inside(&d.schema, '{') {
		return nil, false
	}
	if d.inside(&d.schema, '}') { // there is nothing in it
		return new(types.Document), (open == ',' || d.inside(&d.value, open)) && d.inside(&d.value, '}')
	}
	if !d.described(`"p":`) {
		return nil, false
	}
	first := len(d.values)
	begun := len(d.keys)
	for separator, before := byte('{'), open; ; separator, before = ',', ',' {
		key, ok := d.member(separator, before)
		if !ok {
			return nil, false
		}
		value, ok := d.element()
		if !ok {
			return nil, false
		}
		d.keys, d.values = append(d.keys, key), append(d.values, value)
		if d.inside(&d.schema, '}') {
			break
		}
	}
	m := members{keys: d.keys[begun:], values: d.values[first:]}
	if !d.inside(&d.value, '}') || !d.order(m.keys) || repeats(m.keys) {
		return nil, false
	}
	document, err := types.ConvertDocument(m)
	d.keys, d.values = d.keys[:begun], d.values[:first]
	return document, err == nil
}

// member reads the name of a member on both sides.
func (d *decoder) member(separator, before byte) (string, bool) {
	if !d.inside(&d.schema, separator) || !d.inside(&d.value, before) {
		return "", false
	}
	key, ok := d.plain(&d.schema)
	if !ok || !d.inside(&d.schema, ':') {
		return "", false
	}
	again, ok := d.plain(&d.value)
	return key, ok && again == key && d.inside(&d.value, ':')
}

// order reads ,"$k":["a",…]} where the names are those of the members.
func (d *decoder) order(keys []string) bool {
	if !d.described(`,"$k":`) {
		return false
	}
	separator := byte('[')
	for _, key := range keys {
		if !d.inside(&d.schema, separator) {
			return false
		}
		if again, ok := d.plain(&d.schema); !ok || again != key {
			return false
		}
		separator = ','
	}
	return d.described(`]}`)
}

// repeats says whether there are two of one name.
func repeats(keys []string) bool {
	var seen uint64 // by length and last letter; few names share both
	for i, key := range keys {
		bit := uint64(1) << (len(key) & 63)
		if key != "" {
			bit = 1 << ((len(key)*7 + int(key[len(key)-1])) & 63)
		}
		if seen&bit != 0 {
			for _, other := range keys[:i] {
				if other == key {
					return true
				}
			}
		}
		seen |= bit
	}
	return false
}

// element reads what a value is and the value.
func (d *decoder) element() (any, bool) {
	if !d.described(`{"t":`) {
		return nil, false
	}
	sort, ok := d.plain(&d.schema)
	if !ok {
		return nil, false
	}
	var value any
	switch sort {
	case "string":
		value, ok = d.string(&d.value)
	case "object":
		if value, ok = nil, d.deeper(`,"$s":`); ok {
			value, ok = d.document('{')
			d.depth--
		}
	case "array":
		if value, ok = nil, d.deeper(`,"i":`); ok {
			value, ok = d.array()
			d.depth--
		}
	case "int":
		var n int64
		n, ok = d.whole(32)
		value = int32(n)
	case "long":
		value, ok = d.whole(64)
	case "date":
		var n int64
		n, ok = d.whole(64)
		value = time.UnixMilli(n)
	case "double":
		value, ok = d.double()
	case "bool":
		value, ok = d.bool()
	case "null":
		value, ok = types.Null, d.valued("null")
	case "objectId":
		value, ok = d.objectID()
	case "binData":
		value, ok = d.binary()
	case "timestamp":
		value, ok = d.timestamp()
	case "regex":
		value, ok = d.regex()
	default:
		return nil, false
	}
	return value, ok && d.inside(&d.schema, '}')
}

func (d *decoder) deeper(described string) bool {
	d.depth++
	return d.depth <= deepest && d.described(described)
}

// array reads [<element>,…] and [<value>,…].
func (d *decoder) array() (any, bool) {
	if !d.inside(&d.schema, '[') || !d.inside(&d.value, '[') {
		return nil, false
	}
	first := len(d.values)
	for !d.inside(&d.schema, ']') {
		if len(d.values) > first && !(d.inside(&d.schema, ',') && d.inside(&d.value, ',')) {
			return nil, false
		}
		value, ok := d.element()
		if !ok {
			return nil, false
		}
		d.values = append(d.values, value)
	}
	if !d.inside(&d.value, ']') {
		return nil, false
	}
	array := types.MakeArray(0)
	if len(d.values) > first {
		array.Append(append([]any(nil), d.values[first:]...)...)
	}
	d.values = d.values[:first]
	return array, true
}

func (d *decoder) bool() (bool, bool) {
	if d.valued("true") {
		return true, true
	}
	return false, d.valued("false")
}

func (d *decoder) objectID() (types.ObjectID, bool) {
	var id types.ObjectID
	text, ok := d.plain(&d.value)
	if !ok || len(text) != 2*len(id) {
		return id, false
	}
	_, err := hex.Decode(id[:], []byte(text))
	return id, err == nil
}

func (d *decoder) binary() (types.Binary, bool) {
	if !d.described(`,"s":`) {
		return types.Binary{}, false
	}
	subtype, ok := d.digits(&d.schema)
	if !ok {
		return types.Binary{}, false
	}
	n, err := strconv.ParseUint(subtype, 10, 8)
	if err != nil {
		return types.Binary{}, false
	}
	text, ok := d.plain(&d.value)
	if !ok {
		return types.Binary{}, false
	}
	b, err := base64.StdEncoding.DecodeString(text)
	return types.Binary{B: b, Subtype: types.BinarySubtype(n)}, err == nil
}

func (d *decoder) timestamp() (types.Timestamp, bool) {
	digits, ok := d.digits(&d.value)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return types.Timestamp(n), err == nil
}

func (d *decoder) regex() (types.Regex, bool) {
	if !d.described(`,"o":`) {
		return types.Regex{}, false
	}
	options, ok := d.string(&d.schema)
	if !ok {
		return types.Regex{}, false
	}
	pattern, ok := d.string(&d.value)
	return types.Regex{Pattern: pattern, Options: options}, ok
}

// whole reads a whole number of so many bits.
func (d *decoder) whole(bits int) (int64, bool) {
	begun := d.value
	d.inside(&d.value, '-')
	if _, ok := d.digits(&d.value); !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(d.text[begun:d.value], 10, bits)
	return n, err == nil
}

// double reads a number as JSON spells it.
func (d *decoder) double() (float64, bool) {
	begun := d.value
	d.inside(&d.value, '-')
	if _, ok := d.digits(&d.value); !ok {
		return 0, false
	}
	if d.inside(&d.value, '.') && !d.many(&d.value) {
		return 0, false
	}
	if d.inside(&d.value, 'e') || d.inside(&d.value, 'E') {
		if !d.inside(&d.value, '-') {
			d.inside(&d.value, '+')
		}
		if !d.many(&d.value) {
			return 0, false
		}
	}
	n, err := strconv.ParseFloat(d.text[begun:d.value], 64)
	return n, err == nil
}

// digits reads a whole number without a sign, and without a zero before it.
func (d *decoder) digits(at *int) (string, bool) {
	begun := *at
	if !d.many(at) || d.text[begun] == '0' && *at > begun+1 {
		return "", false
	}
	return d.text[begun:*at], true
}

// many reads one digit or more.
func (d *decoder) many(at *int) bool {
	begun := *at
	for *at < len(d.text) && '0' <= d.text[*at] && d.text[*at] <= '9' {
		*at++
	}
	return *at > begun
}

// string reads a text.
func (d *decoder) string(at *int) (string, bool) {
	if text, ok := d.plain(at); ok {
		return text, true
	}
	begun := *at
	if !d.inside(at, '"') {
		return "", false
	}
	for ; *at < len(d.text); *at++ {
		switch d.text[*at] {
		case '\\':
			*at++
		case '"':
			*at++
			var text string
			err := json.Unmarshal([]byte(d.text[begun:*at]), &text)
			return text, err == nil
		}
	}
	return "", false
}

// plain reads a text in which every character stands for itself. If it is not one, nothing is read.
func (d *decoder) plain(at *int) (string, bool) {
	if *at >= len(d.text) || d.text[*at] != '"' {
		return "", false
	}
	begun := *at + 1
	for i := begun; i < len(d.text); i++ {
		switch c := d.text[i]; {
		case c == '"':
			*at = i + 1
			return d.text[begun:i], true
		case c == '\\', c < ' ':
			return "", false
		}
	}
	return "", false
}

// inside reads one character if it is the next.
func (d *decoder) inside(at *int, c byte) bool {
	if *at < len(d.text) && d.text[*at] == c {
		*at++
		return true
	}
	return false
}

func (d *decoder) described(text string) bool { return d.literal(&d.schema, text) }

func (d *decoder) valued(text string) bool { return d.literal(&d.value, text) }

func (d *decoder) literal(at *int, text string) bool {
	if strings.HasPrefix(d.text[*at:], text) {
		*at += len(text)
		return true
	}
	return false
}
