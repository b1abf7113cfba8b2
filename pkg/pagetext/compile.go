package pagetext

import (
	"errors"
	htmltemplate "html/template"
	"io"
	"regexp"
	"strconv"
	"strings"
	texttemplate "text/template"
	"text/template/parse"
	"unicode"
	"unicode/utf8"
)

// Limits of texts, in bytes.
const (
	// MaxSource is the length of the text of a page or an e-mail.
	MaxSource = 256 << 10
	// MaxLine is the length of a line such as a subject.
	MaxLine = 1 << 10
	// MaxOutput is the length of what a text is rendered to.
	MaxOutput = 1 << 20

	maxAction  = 4 << 10 // between {{ and }}
	maxActions = 4000
)

// Text is a compiled text.
type Text struct {
	vocabulary *Vocabulary
	source     string
	line       bool
	execute    func(io.Writer, map[string]any) error
}

// Compile compiles the text of a page or an e-mail, which is HTML. Every error is an [*Error].
func Compile(v *Vocabulary, source string) (*Text, error) {
	tree, err := parsed(v, source, MaxSource)
	if err != nil {
		return nil, err
	}
	t, failed := htmltemplate.New(rootName).Funcs(natives()).AddParseTree(rootName, tree)
	if failed != nil {
		return nil, errorf("the text cannot be read")
	}
	return proved(&Text{vocabulary: v, source: source, execute: func(w io.Writer, values map[string]any) error {
		return t.Execute(w, values)
	}})
}

// CompileLine compiles a text of one line without markup, such as the subject of an e-mail. Every error is an [*Error].
func CompileLine(v *Vocabulary, source string) (*Text, error) {
	if i := strings.IndexFunc(source, unicode.IsControl); i >= 0 {
		return nil, errorAt(source, i, "a subject is one line without control characters")
	}
	tree, err := parsed(v, source, MaxLine)
	if err != nil {
		return nil, err
	}
	t, failed := texttemplate.New(rootName).Funcs(natives()).AddParseTree(rootName, tree)
	if failed != nil {
		return nil, errorf("the text cannot be read")
	}
	return proved(&Text{vocabulary: v, source: source, line: true, execute: func(w io.Writer, values map[string]any) error {
		return t.Execute(w, values)
	}})
}

const rootName = "text"

// parsed reads a source and checks everything that can be known without values.
func parsed(v *Vocabulary, source string, most int) (*parse.Tree, error) {
	if !utf8.ValidString(source) {
		return nil, errorf("the text is not valid UTF-8")
	}
	if len(source) > most {
		return nil, errorf("the text has %d bytes, more than %d", len(source), most)
	}
	if err := bounded(source); err != nil {
		return nil, err
	}
	trees, err := parseAll(source)
	if err != nil {
		return nil, syntaxError(source, err)
	}
	for name, tree := range trees {
		if name != rootName {
			return nil, errorAt(source, int(tree.Root.Position()), "templates within templates cannot be used")
		}
	}
	tree := trees[rootName]
	if tree == nil || tree.Root == nil { // nothing but comments
		tree = &parse.Tree{Name: rootName, Root: &parse.ListNode{NodeType: parse.NodeList}}
	}
	if err := check(v, source, tree.Root); err != nil {
		return nil, err
	}
	return tree, nil
}

// bounded limits actions before anything looks into them: their parts are read recursively.
func bounded(source string) error {
	for rest, n := source, 0; ; {
		i := strings.Index(rest, "{{")
		if i < 0 {
			return nil
		}
		at := len(source) - len(rest) + i
		rest = rest[i+2:]
		if n++; n > maxActions {
			return errorAt(source, at, "the text has more than %d actions", maxActions)
		}
		end := strings.Index(rest, "}}")
		if end > maxAction || end < 0 && len(rest) > maxAction {
			return errorAt(source, at, "an action has more than %d bytes, or is not closed", maxAction)
		}
	}
}

func parseAll(source string) (map[string]*parse.Tree, error) {
	tree := parse.New(rootName)
	tree.Mode = parse.SkipFuncCheck
	trees := map[string]*parse.Tree{}
	_, err := tree.Parse(source, "", "", trees)
	return trees, err
}

var parserPrefix = regexp.MustCompile(`^template: ` + rootName + `:(\d+)(?::\d+)?: (?:in "[^"]*": )?`)

// syntaxError finds the column, which Go's parser does not tell: that of the action with which the fault appears.
func syntaxError(source string, err error) *Error {
	message := err.Error()
	match := parserPrefix.FindStringSubmatch(message)
	if match == nil {
		return errorAt(source, 0, "%s", readable(message))
	}
	line, _ := strconv.Atoi(match[1])
	detail := readable(message[len(match[0]):])
	begin, end := lineOf(source, line)
	if strings.Contains(detail, "unexpected EOF") {
		return errorAt(source, len(source), "an if, range or with is not ended")
	}
	var ends []int // the ends of the actions on the line
	for at := begin; at < end; {
		i := strings.Index(source[at:end], "}}")
		if i < 0 {
			break
		}
		at += i + 2
		ends = append(ends, at)
	}
	low, high := 0, len(ends)
	for low < high {
		middle := (low + high) / 2
		if _, failed := parseAll(source[:ends[middle]]); failed != nil && failed.Error() == message {
			high = middle
		} else {
			low = middle + 1
		}
	}
	upto := end
	if low < len(ends) {
		upto = ends[low]
	}
	at := strings.LastIndex(source[:upto], "{{")
	return errorAt(source, max(at, 0), "%s", detail)
}

// lineOf returns where a line begins and ends; lines count from 1.
func lineOf(source string, line int) (begin, end int) {
	for ; line > 1; line-- {
		i := strings.IndexByte(source[begin:], '\n')
		if i < 0 {
			break
		}
		begin += i + 1
	}
	if i := strings.IndexByte(source[begin:], '\n'); i >= 0 {
		return begin, begin + i
	}
	return begin, len(source)
}

var rewrites = strings.NewReplacer("<", "", ">", "", "operand", "value", "pipeline", "expression", "in template clause", "", `"text"`, "the text")

const maxDetail = 300

func readable(message string) string {
	message = strings.Join(strings.Fields(rewrites.Replace(message)), " ")
	if runes := []rune(message); len(runes) > maxDetail {
		message = string(runes[:maxDetail]) + "…"
	}
	return message
}

// proved renders a text once with everything and once with nothing. The first use is also when places in HTML are found
// where values cannot be made safe.
func proved(t *Text) (*Text, error) {
	for _, values := range []map[string]any{t.vocabulary.Sample(), {}} {
		if _, err := t.Render(values); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Render returns the text for some values. They are copied: those that the vocabulary does not have are left out, and
// those that are missing are empty. An error means that there is no text: a value of another type than the vocabulary
// says, more than [MaxEntries] entries or [MaxOutput] bytes, a line break in a line.
func (t *Text) Render(values map[string]any) (string, error) {
	filled, err := fill(t.vocabulary.Members, values)
	if err != nil {
		return "", errorf("the values do not fit: %v", err)
	}
	var out limited
	if err := t.execute(&out, filled); err != nil {
		return "", t.explain(err)
	}
	text := out.String()
	if t.line && strings.ContainsFunc(text, unicode.IsControl) {
		return "", errorf("a subject is one line without control characters")
	}
	return text, nil
}

// Source returns the text as it was written.
func (t *Text) Source() string { return t.source }

// limited is a writer that fails beyond MaxOutput.
type limited struct{ strings.Builder }

var errTooLong = errorf("the text becomes longer than %d bytes", MaxOutput)

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > MaxOutput {
		return 0, errTooLong
	}
	return l.Builder.Write(p)
}

// WriteString keeps the builder's own from being used, which has no limit.
func (l *limited) WriteString(s string) (int, error) { return l.Write([]byte(s)) }

var (
	executionPrefix = regexp.MustCompile(`^template: ` + rootName + `:(\d+):(\d+): `)
	executing       = regexp.MustCompile(`(?s)^executing "[^"]*" at <.*?>: `)
	escapePrefix    = regexp.MustCompile(`^html/template:(?:` + rootName + `)?(?::(\d+))?(?::(\d+))?: `)
)

// explain turns Go's errors into ours. Their texts name functions and places of the text, and no values.
func (t *Text) explain(err error) *Error {
	var ours *Error
	if errors.As(err, &ours) {
		return ours
	}
	var unsafe *htmltemplate.Error
	if errors.As(err, &unsafe) {
		detail := readable(escapePrefix.ReplaceAllString(err.Error(), ""))
		switch {
		case unsafe.Node != nil:
			return errorAt(t.source, int(unsafe.Node.Position()), "%s", detail)
		case unsafe.Line > 0:
			begin, _ := lineOf(t.source, unsafe.Line)
			return errorAt(t.source, begin, "%s", detail)
		}
		return errorAt(t.source, len(t.source), "%s", detail)
	}
	message := err.Error()
	if match := executionPrefix.FindStringSubmatch(message); match != nil {
		line, _ := strconv.Atoi(match[1])
		column, _ := strconv.Atoi(match[2])
		begin, _ := lineOf(t.source, line)
		detail := executing.ReplaceAllString(message[len(match[0]):], "")
		return errorAt(t.source, begin+column, "%s", readable(detail))
	}
	return errorf("the text cannot be rendered")
}
