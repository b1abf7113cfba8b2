package serialiser

import (
	"fmt"

	"github.com/FerretDB/wire/wirebson"
)

// portions says which commands carry a list of statements that FerretDB does not work through as MongoDB does, under
// which name, and how many statements it handles correctly at once. It takes inserts in groups of a hundred and goes on
// with the next group after a failure; it gives up an update at the first failure without telling where that was.
var portions = map[string]struct {
	field string
	size  int
}{
	"insert": {field: "documents", size: 100},
	"update": {field: "updates", size: 1},
}

// batch is a command with a list of statements, to be sent in several portions.
type batch struct {
	command command // without the statements
	field   string
	size    int
	ordered bool

	statements []wirebson.RawDocument
}

// newBatch returns nothing if the command can be sent as it is.
func newBatch(c command) (*batch, error) {
	p, ok := portions[c.name()]
	if !ok {
		return nil, nil
	}
	body, err := c.body.Decode()
	if err != nil {
		return nil, fmt.Errorf("body of %s: %w", c.name(), err)
	}
	b := &batch{command: c, field: p.field, size: p.size, ordered: true}
	if ordered, ok := body.Get("ordered").(bool); ok {
		b.ordered = ordered
	}
	if err := b.take(body); err != nil {
		return nil, fmt.Errorf("%s of %s: %w", p.field, c.name(), err)
	}
	if len(b.statements) <= p.size {
		return nil, nil
	}
	return b, nil
}

// take moves the statements out of the command, where they lie in a section of their own or in an array of the body.
func (b *batch) take(body *wirebson.Document) error {
	kept := make([]sequence, 0, len(b.command.sequences))
	for _, s := range b.command.sequences {
		if s.name == b.field {
			b.statements = append(b.statements, s.documents...)
			continue
		}
		kept = append(kept, s)
	}
	b.command.sequences = kept
	if b.statements != nil {
		return nil
	}

	raw, ok := body.Get(b.field).(wirebson.RawArray)
	if !ok {
		return nil
	}
	array, err := raw.Decode()
	if err != nil {
		return err
	}
	for v := range array.Values() {
		statement, ok := v.(wirebson.RawDocument)
		if !ok {
			b.statements = nil // FerretDB words this error
			return nil
		}
		b.statements = append(b.statements, statement)
	}
	body.Remove(b.field)
	b.command.body, err = body.Encode()
	return err
}

// perform sends the portions through do and adds up their answers. An ordered batch ends with the first portion in which
// a statement fails. The failure of a portion as a whole is the answer; what was written before it stays written.
func (b *batch) perform(do func(command) (message, error)) (message, error) {
	t := tally{}
	for start := 0; start < len(b.statements); start += b.size {
		end := min(start+b.size, len(b.statements))
		part := b.command
		part.sequences = append(part.sequences[:len(part.sequences):len(part.sequences)],
			sequence{name: b.field, documents: b.statements[start:end]})

		reply, err := do(part)
		if err != nil {
			return nil, err
		}
		doc, err := replyDocument(reply)
		if err != nil {
			return nil, fmt.Errorf("answer to a portion of %s: %w", b.command.name(), err)
		}
		if !succeeded(doc) {
			return reply, nil
		}
		if err := t.add(doc, int32(start)); err != nil {
			return nil, fmt.Errorf("answer to a portion of %s: %w", b.command.name(), err)
		}
		if b.ordered && len(t.failures) > 0 {
			break
		}
	}
	doc, err := t.document(b.command.name() == "update")
	if err != nil {
		return nil, err
	}
	return encodeReply(b.command.id, doc)
}

// tally adds up the answers to the portions of a batch.
type tally struct {
	matched, modified int32
	upserted          []any
	failures          []any
}

// add counts one answer; base is the position of the portion's first statement in the batch.
func (t *tally) add(doc *wirebson.Document, base int32) error {
	matched, _ := doc.Get("n").(int32)
	modified, _ := doc.Get("nModified").(int32)
	t.matched += matched
	t.modified += modified

	var err error
	if t.upserted, err = appendShifted(t.upserted, doc.Get("upserted"), base); err != nil {
		return err
	}
	t.failures, err = appendShifted(t.failures, doc.Get("writeErrors"), base)
	return err
}

// appendShifted appends the documents of an array, the member "index" of each raised by base.
func appendShifted(to []any, array any, base int32) ([]any, error) {
	raw, ok := array.(wirebson.RawArray)
	if !ok {
		return to, nil
	}
	values, err := raw.Decode()
	if err != nil {
		return nil, err
	}
	for v := range values.Values() {
		item, ok := v.(wirebson.RawDocument)
		if !ok {
			return nil, fmt.Errorf("%T where a document was expected", v)
		}
		doc, err := item.Decode()
		if err != nil {
			return nil, err
		}
		index, _ := doc.Get("index").(int32)
		if err := doc.Replace("index", base+index); err != nil {
			return nil, err
		}
		to = append(to, doc)
	}
	return to, nil
}

func (t *tally) document(update bool) (*wirebson.Document, error) {
	pairs := []any{"n", t.matched}
	if update {
		pairs = append(pairs, "nModified", t.modified)
	}
	for _, list := range []struct {
		name  string
		items []any
	}{{"upserted", t.upserted}, {"writeErrors", t.failures}} {
		if len(list.items) == 0 {
			continue
		}
		array, err := wirebson.NewArray(list.items...)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, list.name, array)
	}
	return wirebson.NewDocument(append(pairs, "ok", float64(1))...)
}
