package pagetext

import (
	"html"
	"regexp"
	"strings"
)

var (
	styleTag = regexp.MustCompile(`(?i)<style(?:[\s/]|>)`)
	headEnd  = regexp.MustCompile(`(?i)</head\s*>`)
)

// Styled returns a rendered page with the style sheet of its assets, at the end of its head or before everything where it has
// none. With a nonce all its style elements carry it, so that a policy can allow these and no others: values in a rendered page are
// escaped, and never begin an element. The nonce must be letters and digits.
func Styled(page, assets, nonce string) string {
	if assets != "" {
		// In a style sheet the backslash changes nothing; in HTML it keeps the element from ending.
		sheet := "<style>" + strings.ReplaceAll(assets, "</", `<\/`) + "</style>\n"
		at := 0
		if end := headEnd.FindStringIndex(page); end != nil {
			at = end[0]
		} else if begin := doctype.FindStringIndex(page); begin != nil {
			at = begin[1]
		}
		page = page[:at] + sheet + page[at:]
	}
	if nonce == "" {
		return page
	}
	return styleTag.ReplaceAllStringFunc(page, func(tag string) string {
		return tag[:len("<style")] + ` nonce="` + html.EscapeString(nonce) + `"` + tag[len("<style"):]
	})
}

var doctype = regexp.MustCompile(`(?i)^\s*<!doctype[^>]*>\s*`)
