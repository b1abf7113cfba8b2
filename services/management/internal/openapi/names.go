package openapi

import (
	"net/http"
	"strings"
	"unicode"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

// parameter returns the name in a segment {name} of a path, or "".
func parameter(segment string) string {
	if len(segment) > 2 && segment[0] == '{' && segment[len(segment)-1] == '}' {
		return segment[1 : len(segment)-1]
	}
	return ""
}

// camelPath writes the parameters of a path in camel case: /identities/{identity_provider} as /identities/{identityProvider}.
func camelPath(path string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		if name := parameter(segment); name != "" {
			segments[i] = "{" + lower(pascal(name)) + "}"
		}
	}
	return strings.Join(segments, "/")
}

// operationID names an operation: what it does, and the things in its path, each in the singular but the last of a list.
//
//	GET    /domains/{domain}/applications                                 listApplications
//	POST   /domains/{domain}/applications                                 createApplication
//	PATCH  /domains/{domain}/applications/{application}                   patchApplication
//	POST   /domains/{domain}/applications/{application}/secrets/{s}/_renew  renewApplicationSecret
//	GET    /domains/_hrid/{hrid}                                          getDomainByHrid
//
// The domain is left out where something lies below it.
func operationID(route operation.Route, path string) string {
	if id := route.Operation.ID; id != "" {
		return id
	}
	segments := strings.Split(strings.Trim(path, "/"), "/")
	if len(segments) > 2 && segments[0] == "domains" && parameter(segments[1]) != "" {
		segments = segments[2:]
	}
	verb, segments, plural := verbOf(route, segments)
	var things strings.Builder
	for i := 0; i < len(segments); i++ {
		segment := segments[i]
		named := i+1 < len(segments) && parameter(segments[i+1]) != ""
		switch {
		case parameter(segment) != "":
			things.WriteString(pascal(parameter(segment))) // two parameters in a row
		case strings.HasPrefix(segment, "_") && named:
			things.WriteString("By" + pascal(segment))
			i++
		case named:
			things.WriteString(pascal(singular(segment)))
			i++
		case i+1 < len(segments):
			// A literal before another one: /domains/_hrid, /rules/_check.
			if strings.HasPrefix(segments[i+1], "_") {
				segment = singular(segment)
			}
			things.WriteString(pascal(segment))
		case plural:
			things.WriteString(pascal(segment))
		default:
			things.WriteString(pascal(singular(segment)))
		}
	}
	return verb + things.String()
}

// verbOf returns what an operation does, the segments that say to what, and whether the last of them stays in the plural.
func verbOf(route operation.Route, segments []string) (verb string, rest []string, plural bool) {
	last := segments[len(segments)-1]
	onItem := parameter(last) != ""
	if route.Method == http.MethodGet && route.Operation.Shape != operation.One {
		return "list", segments, true
	}
	if body := route.Operation.Body; route.Method == http.MethodPost && body != nil && prototree.IsList(body.ProtoReflect().Descriptor()) {
		return "add", segments, true
	}
	acts := !onItem && len(segments) > 1 &&
		(strings.HasPrefix(last, "_") || route.Method == http.MethodPost && route.Operation.StatusOf() != http.StatusCreated ||
			route.Method == http.MethodPost && parameter(segments[len(segments)-2]) == "")
	if acts {
		// The last segment is a verb, perhaps with an object: _renew, rotate, resetPassword.
		words := lower(pascal(last))
		end := strings.IndexFunc(words, unicode.IsUpper)
		if end < 0 {
			end = len(words)
		}
		rest = segments[:len(segments)-1]
		if object := words[end:]; object != "" {
			rest = append(append([]string(nil), rest...), object)
		}
		return words[:end], rest, parameter(segments[len(segments)-2]) == ""
	}
	switch route.Method {
	case http.MethodGet:
		return "get", segments, !onItem
	case http.MethodPost:
		if onItem {
			return "add", segments, false
		}
		return "create", segments, false
	}
	return strings.ToLower(route.Method), segments, !onItem
}

// pascal writes a name in words that begin with capitals: certificate-settings as CertificateSettings.
func pascal(text string) string {
	var b strings.Builder
	up := true
	for _, r := range text {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			up = true
		case up:
			b.WriteRune(unicode.ToUpper(r))
			up = false
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func lower(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToLower(text[:1]) + text[1:]
}

// singular is one of several: identities is identity.
func singular(text string) string {
	switch {
	case strings.HasSuffix(text, "settings") || strings.HasSuffix(text, "ss") || strings.HasSuffix(text, "status"):
		return text
	case strings.HasSuffix(text, "ies"):
		return strings.TrimSuffix(text, "ies") + "y"
	}
	return strings.TrimSuffix(text, "s")
}

// words writes a name in camel case as words: identityProvider as identity provider.
func words(name string) string {
	var b strings.Builder
	for _, r := range name {
		if unicode.IsUpper(r) {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
