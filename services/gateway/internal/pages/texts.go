package pages

import (
	"embed"
	"fmt"
	"html"
	"html/template"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed texts
var textFiles embed.FS

// language is a language that pages speak, with all their texts.
type language struct {
	// tag is the language as documents and headers name it (RFC 5646).
	tag   string
	texts map[string]text
	// known leads from the English text of a message to its key.
	known   map[string]string
	english *language
}

// text is a text of one language: for one of something, and for every other number. Without a number they are the same.
type text struct{ one, other string }

// tags are the languages that pages speak, English first: it is spoken where nothing else is asked for.
var tags = []string{"en", "de", "fr", "es", "it"}

// What the keys of texts begin with that are found by their English text.
const (
	messagePrefix = "message."
	scopePrefix   = "scope."
)

// readTexts reads the catalogue: all files below texts, each with blocks like
//
//	login.title
//	en: Sign in
//	de: Anmelden
//
// A text is HTML. {name} in it stands for a value, which is escaped. A text that counts has a second line `en one:`, for one
// of what {n} counts. Every key has a text in every language.
func readTexts(files fs.FS) ([]*language, error) {
	languages := make([]*language, len(tags))
	for i, tag := range tags {
		languages[i] = &language{tag: tag, texts: map[string]text{}, known: map[string]string{}, english: languages[0]}
	}
	languages[0].english = languages[0]
	names, err := fs.Glob(files, "texts/*.txt")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		key := ""
		for number, line := range strings.Split(string(content), "\n") {
			if err := readLine(languages, &key, strings.TrimSpace(line)); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", name, number+1, err)
			}
		}
	}
	for key, v := range languages[0].texts {
		for _, l := range languages {
			if l.texts[key].other == "" {
				return nil, fmt.Errorf("text %s is missing in %s", key, l.tag)
			}
			if strings.HasPrefix(key, messagePrefix) {
				l.known[v.other] = key
			}
		}
	}
	return languages, nil
}

func readLine(languages []*language, key *string, line string) error {
	if line == "" || line[0] == '#' {
		return nil
	}
	label, value, found := strings.Cut(line, ": ")
	if !found {
		*key = line
		if strings.Trim(line, "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
			return fmt.Errorf("%q is no key", line)
		}
		return nil
	}
	tag, number, _ := strings.Cut(label, " ")
	i := slices.Index(tags, tag)
	if i < 0 || number != "" && number != "one" {
		return fmt.Errorf("%q is no language", label)
	}
	t := languages[i].texts[*key]
	switch {
	case number == "one" && t.one == "":
		t.one = value
	case number == "" && t.other == "":
		t.other = value
	default:
		return fmt.Errorf("text %s is there twice in %s", *key, tag)
	}
	languages[i].texts[*key] = t
	return nil
}

// functions are what templates call to speak.
func (l *language) functions() template.FuncMap {
	return template.FuncMap{
		"t": l.text, "message": l.message, "scope": l.scope, "day": l.day,
		"problem": l.problem, "label": l.label, "moment": l.moment,
		"lang": func() string { return l.tag },
		"dir":  func() string { return "ltr" }, // all of our languages
	}
}

// text is the text of a key. pairs are names and values of what stands in braces; a number called n chooses between the text
// for one and the other.
func (l *language) text(key string, pairs ...any) (template.HTML, error) {
	t, ok := l.texts[key]
	if !ok || len(pairs)%2 != 0 {
		return "", fmt.Errorf("no text %q with %d values", key, len(pairs))
	}
	out := t.other
	for i := 0; i < len(pairs); i += 2 {
		if n, ok := pairs[i+1].(int); ok && pairs[i] == "n" && t.one != "" && l.one(n) {
			out = t.one
		}
	}
	if len(pairs) == 0 {
		return template.HTML(out), nil //nolint:gosec // our own file
	}
	replace := make([]string, len(pairs))
	for i := 0; i < len(pairs); i += 2 {
		replace[i] = fmt.Sprintf("{%v}", pairs[i])
		replace[i+1] = template.HTMLEscapeString(fmt.Sprint(pairs[i+1]))
	}
	return template.HTML(strings.NewReplacer(replace...).Replace(out)), nil //nolint:gosec // the values are escaped
}

// plain is the text of a key as plain text.
func (l *language) plain(key string) string { return html.UnescapeString(l.texts[key].other) }

// one reports whether a number takes the singular (Unicode CLDR plural rules).
func (l *language) one(n int) bool { return n == 1 || n == 0 && l.tag == "fr" }

// message is a message as people read it: in their language if it is one of the product's own, which are known by their
// English text. What an administrator wrote is shown as it is.
func (l *language) message(m Message) string {
	if key, ok := l.known[string(m)]; ok {
		return l.texts[key].other
	}
	return string(m)
}

// scope names a scope in the language where it is one of the system's and nobody has given it other words.
func (l *language) scope(s Scope) Scope {
	key, parameter, _ := strings.Cut(s.Key, ":")
	key = scopePrefix + key
	own := s.Name
	if parameter != "" {
		own = strings.TrimSuffix(own, ": "+parameter)
	}
	if name := l.english.texts[key+".name"].other; name != "" && own == name {
		s.Name = l.texts[key+".name"].other + s.Name[len(own):]
	}
	if description := l.english.texts[key+".description"].other; description != "" && s.Description == description {
		s.Description = l.texts[key+".description"].other
	}
	return s
}

// day is a date for people.
func (l *language) day(at time.Time) (string, error) {
	at = at.UTC()
	months := strings.Fields(l.texts["date.months"].other)
	if len(months) != 12 {
		return "", fmt.Errorf("%d months in %s", len(months), l.tag)
	}
	return strings.NewReplacer("{d}", strconv.Itoa(at.Day()), "{m}", months[at.Month()-1], "{y}", strconv.Itoa(at.Year())).
		Replace(l.texts["date.day"].other), nil
}

// moment is a date and a time for people.
func (l *language) moment(at time.Time) (string, error) {
	day, err := l.day(at)
	return strings.NewReplacer("{day}", day, "{time}", at.UTC().Format("15:04")).Replace(l.texts["date.moment"].other), err
}
