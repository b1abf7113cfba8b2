package pages

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

type localesKey struct{}

// WithLocales returns the request with the languages that an authorization request asks for, the preferred one first
// (ui_locales, OpenID Connect Core 1.0 §3.1.2.1). It is for requests whose parameters do not stand in their query.
func WithLocales(r *http.Request, locales string) *http.Request {
	if locales == "" {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), localesKey{}, locales))
}

// maxWishes bounds how many languages of a list are looked at.
const maxWishes = 32

// language is the one of an answer: the first of those that the request asks for by ui_locales that pages speak, else the one
// that the browser prefers, else English.
func (p *Pages) language(r *http.Request) *language {
	for _, tag := range wishes(r) {
		if found := p.speaks(tag); found != nil {
			return found
		}
	}
	return p.languages[0]
}

// wishes are the languages that an answer should be in, the preferred one first.
func wishes(r *http.Request) []string {
	asked, _ := r.Context().Value(localesKey{}).(string)
	if asked == "" && strings.Contains(r.URL.RawQuery, "ui_locales=") {
		asked = r.URL.Query().Get("ui_locales")
	}
	tags := strings.Fields(asked)
	return append(tags[:min(len(tags), maxWishes)], accepted(r.Header.Values("Accept-Language"))...)
}

// speaks looks a language tag up (RFC 4647 §3.4): what we have no regional forms of is found by its first part. It returns nil
// for a language that pages do not speak.
func (p *Pages) speaks(tag string) *language {
	primary, _, _ := strings.Cut(tag, "-")
	for _, l := range p.languages {
		if strings.EqualFold(l.tag, primary) {
			return l
		}
	}
	return nil
}

// accepted lists the languages of Accept-Language by preference (RFC 9110 §12.5.4). What is not well-formed, refused or `*` is
// left out.
func accepted(fields []string) []string {
	type wish struct {
		tag     string
		quality float64
	}
	var wishes []wish
	for item := range strings.SplitSeq(strings.Join(fields, ","), ",") {
		if len(wishes) == maxWishes {
			break
		}
		tag, parameter, _ := strings.Cut(strings.TrimSpace(item), ";")
		one := wish{strings.TrimSpace(tag), 1}
		if value, ok := strings.CutPrefix(strings.TrimSpace(parameter), "q="); ok {
			quality, err := strconv.ParseFloat(value, 64)
			if err != nil || !(quality >= 0 && quality <= 1) {
				continue
			}
			one.quality = quality
		}
		if one.tag != "" && one.tag != "*" && one.quality > 0 {
			wishes = append(wishes, one)
		}
	}
	slices.SortStableFunc(wishes, func(a, b wish) int {
		switch {
		case a.quality > b.quality:
			return -1
		case a.quality < b.quality:
			return 1
		}
		return 0
	})
	tags := make([]string, len(wishes))
	for i, one := range wishes {
		tags[i] = one.tag
	}
	return tags
}
