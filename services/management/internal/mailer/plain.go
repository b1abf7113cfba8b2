package mailer

import (
	"strings"
	"unicode"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// maxLine is where lines of the text part are broken, in characters (RFC 5322 §2.1.1 recommends 78 at most). A longer word, such
// as a link, stays whole.
const maxLine = 76

// PlainText returns what an HTML document says as text, for people whose programs show no HTML: paragraphs are apart by an
// empty line, and a link is followed by its address.
func PlainText(document string) string {
	w := &plainWriter{}
	tokens := html.NewTokenizer(strings.NewReader(document))
	tokens.SetMaxBuf(len(document) + 1)
	for {
		switch tokens.Next() {
		case html.ErrorToken: // the end
			return w.String()
		case html.TextToken:
			w.text(string(tokens.Text()))
		case html.StartTagToken, html.SelfClosingTagToken:
			t := tokens.Token()
			w.open(t.DataAtom, t.Attr)
		case html.EndTagToken:
			t := tokens.Token()
			w.close(t.DataAtom)
		}
	}
}

// plainWriter gathers words into lines.
type plainWriter struct {
	out    strings.Builder
	line   int // characters on the current line
	breaks int // line breaks that are due before the next word
	space  bool
	skip   int  // depth of elements whose text is not shown
	linked bool // an address was the last that was written
	links  []anchor
}

type anchor struct {
	href string
	text strings.Builder
}

var hidden = map[atom.Atom]bool{atom.Style: true, atom.Script: true, atom.Title: true, atom.Template: true}

// apart are elements that begin and end a line, with the number of line breaks around them.
var apart = map[atom.Atom]int{
	atom.P: 2, atom.H1: 2, atom.H2: 2, atom.H3: 2, atom.H4: 2, atom.H5: 2, atom.H6: 2, atom.Table: 2, atom.Ul: 2, atom.Ol: 2,
	atom.Blockquote: 2, atom.Pre: 2, atom.Hr: 2, atom.Div: 1, atom.Tr: 1, atom.Li: 1, atom.Section: 2, atom.Header: 1, atom.Footer: 2,
}

func (w *plainWriter) open(tag atom.Atom, attributes []html.Attribute) {
	if hidden[tag] {
		w.skip++
		return
	}
	w.breakLines(apart[tag])
	switch tag {
	case atom.Br:
		w.breaks++
	case atom.Li:
		w.word("-")
		w.space = true
	case atom.Td, atom.Th:
		w.space = true
	case atom.A:
		link := anchor{}
		for _, a := range attributes {
			if a.Key == "href" {
				link.href = strings.TrimSpace(a.Val)
			}
		}
		w.links = append(w.links, link)
	}
}

func (w *plainWriter) close(tag atom.Atom) {
	if hidden[tag] {
		w.skip = max(w.skip-1, 0)
		return
	}
	if tag == atom.A && len(w.links) > 0 {
		link := &w.links[len(w.links)-1]
		href := strings.TrimPrefix(link.href, "mailto:")
		if href != "" && !strings.HasPrefix(href, "#") && strings.TrimSpace(link.text.String()) != href {
			// A line of its own keeps the address whole and easy to copy.
			w.breakLines(1)
			w.word(href)
			w.breakLines(1)
			w.linked = true
		}
		w.links = w.links[:len(w.links)-1]
	}
	w.breakLines(apart[tag])
}

func (w *plainWriter) breakLines(n int) { w.breaks = max(w.breaks, n) }

func (w *plainWriter) text(text string) {
	if w.skip > 0 {
		return
	}
	if w.linked && strings.TrimSpace(text) != "" {
		text = strings.TrimLeft(text, ".,;:!") // the end of the sentence that the address has ended
		w.linked = false
	}
	if text != "" && unicode.IsSpace([]rune(text)[0]) {
		w.space = true
	}
	for i, word := range strings.Fields(text) {
		if i > 0 {
			w.space = true
		}
		if len(w.links) > 0 {
			link := &w.links[len(w.links)-1]
			link.text.WriteString(word + " ")
		}
		w.word(word)
	}
	if strings.TrimSpace(text) != "" && strings.TrimRightFunc(text, unicode.IsSpace) != text {
		w.space = true
	}
}

func (w *plainWriter) word(word string) {
	length := len([]rune(word))
	switch {
	case w.out.Len() == 0:
	case w.breaks > 0:
		w.out.WriteString(strings.Repeat("\n", min(w.breaks, 2)))
		w.line = 0
	case w.space && w.line+1+length > maxLine:
		w.out.WriteByte('\n')
		w.line = 0
	case w.space:
		w.out.WriteByte(' ')
		w.line++
	}
	w.out.WriteString(word)
	w.line += length
	w.breaks, w.space = 0, false
}

func (w *plainWriter) String() string {
	if w.out.Len() == 0 {
		return ""
	}
	return w.out.String() + "\n"
}
