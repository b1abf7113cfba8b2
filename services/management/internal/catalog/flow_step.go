package catalog

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// Limits of steps.
const (
	maxAttributes     = 50
	maxDenyMessage    = 1024
	maxCalloutURL     = 2048
	maxCalloutHeaders = 20
	maxCalloutHeader  = 8 << 10
	maxCalloutBody    = 64 << 10

	defaultTimeoutMillis = 2000
	maxTimeoutMillis     = 10_000
)

var (
	attributeName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,63}$`)
	// errorCode is what RFC 6749 §4.1.2.1 allows.
	errorCode = regexp.MustCompile(`^[\x20-\x21\x23-\x5B\x5D-\x7E]{1,64}$`)
	// fieldName is a token of RFC 9110 §5.6.2.
	fieldName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$")
	// calloutMethods can be called; those with a body behind.
	calloutMethods = []string{"GET", "POST", "PUT", "PATCH", "DELETE"}
	// ownAttributes say what the login itself knows; a flow that set them could make them untrue.
	ownAttributes = []string{"user", "client", "domain", "authFlow", "ip_address", "user_agent", "deviceId"}
	// ownHeaders are those of the connection, which the caller of the site sets.
	ownHeaders = []string{
		"host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade", "expect",
		"proxy-authorization", "proxy-connection", "accept-encoding",
	}
)

// checkAttributes compiles what attributes are made of. They are looked at by name, so that one fault is always the same.
func checkAttributes(path string, place rules.Place, attributes map[string]string) error {
	if len(attributes) > maxAttributes {
		return broken(path, "", "must have at most 50 entries")
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		at := prototree.Member(path, name)
		if !attributeName.MatchString(name) {
			return broken(at, "", "the name must be at most 64 letters, digits, '_', '-' and '.', and begin with a letter or '_'")
		}
		if slices.Contains(ownAttributes, name) {
			return broken(at, "", "is set by the login itself")
		}
		if _, err := rules.CompileTemplate(place, attributes[name]); err != nil {
			return badExpression(at, err)
		}
	}
	return nil
}

// checkFlowText compiles literal text with expressions, and bounds it.
func checkFlowText(path, text string, most int) error {
	if len(text) > most {
		return broken(path, "", "size must be at most "+strconv.Itoa(most)+" bytes")
	}
	if _, err := rules.CompileTemplate(rules.FlowText, text); err != nil {
		return badExpression(path, err)
	}
	return nil
}

func validateDeny(path string, d *configv1.DenyStep) error {
	if !errorCode.MatchString(d.GetError()) {
		return broken(path+".error", d.GetError(), "must be at most 64 printable ASCII characters without quotes and backslashes")
	}
	return checkFlowText(path+".message", d.GetMessage(), maxDenyMessage)
}

func normalizeCallout(c *configv1.HTTPCalloutStep) {
	if c.GetMethod() == "" {
		c.Method = "POST"
	}
	c.Method = strings.ToUpper(c.GetMethod())
	if c.GetTimeoutMillis() == 0 {
		c.TimeoutMillis = defaultTimeoutMillis
	}
	if c.GetOnFailure() == "" {
		c.OnFailure = "deny"
	}
}

func validateCallout(path string, c *configv1.HTTPCalloutStep) error {
	if err := checkCalloutURL(path+".url", c.GetUrl()); err != nil {
		return err
	}
	if !slices.Contains(calloutMethods, c.GetMethod()) {
		return broken(path+".method", c.GetMethod(), "must be one of GET, POST, PUT, PATCH, DELETE")
	}
	if err := checkCalloutHeaders(path+".headers", c.GetHeaders()); err != nil {
		return err
	}
	if c.GetMethod() == "GET" && c.GetBody() != "" {
		return broken(path+".body", "", "must be empty where the method is GET")
	}
	if err := checkCalloutBody(path+".body", c); err != nil {
		return err
	}
	if n := c.GetTimeoutMillis(); n < 1 || n > maxTimeoutMillis {
		return broken(path+".timeoutMillis", strconv.Itoa(int(n)), "must be between 1 and 10000")
	}
	if f := c.GetOnFailure(); f != "deny" && f != "continue" {
		return broken(path+".onFailure", f, "must be one of deny, continue")
	}
	return checkAttributes(path+".attributes", rules.FlowResponse, c.GetAttributes())
}

// checkCalloutURL wants the site to be written out: expressions may only stand behind it, or a value that came with a
// request could choose who is called.
func checkCalloutURL(path, text string) error {
	if err := required(path, text); err != nil {
		return err
	}
	literal, _, dynamic := strings.Cut(text, "{#")
	u, err := url.Parse(literal)
	switch {
	case len(text) > maxCalloutURL:
		return broken(path, "", "size must be at most 2048 bytes")
	case err != nil || strings.ContainsFunc(literal, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return broken(path, text, "must be a URL")
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", u.Opaque != "":
		return broken(path, text, "must be an http or https URL with a host")
	case u.User != nil:
		return broken(path, "", "must not hold a name or a password; use a header")
	case strings.Contains(literal, "#"):
		return broken(path, text, "must not have a fragment")
	case dynamic && u.Path == "" && u.RawQuery == "" && !strings.HasSuffix(literal, "?"):
		return broken(path, text, "may have expressions behind the host only, after a slash or a question mark")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return broken(path, text, "must have a port between 1 and 65535")
		}
	}
	if err := checkFlowText(path, text, maxCalloutURL); err != nil {
		return err
	}
	if err := rules.CheckURL(text); err != nil {
		return badExpression(path, err)
	}
	return nil
}

// checkCalloutBody wants a body in which values can be escaped, so that what a person types adds nothing to what the site is told.
func checkCalloutBody(path string, c *configv1.HTTPCalloutStep) error {
	if err := checkFlowText(path, c.GetBody(), maxCalloutBody); err != nil {
		return err
	}
	contentType := ""
	for _, h := range c.GetHeaders() {
		if strings.EqualFold(h.GetName(), "Content-Type") {
			contentType = h.GetValue()
		}
	}
	if err := rules.CheckBody(c.GetBody(), contentType); err != nil {
		return badExpression(path, err)
	}
	return nil
}

func checkCalloutHeaders(path string, list []*configv1.FlowHeader) error {
	if len(list) > maxCalloutHeaders {
		return broken(path, "", "must have at most 20 entries")
	}
	seen := map[string]bool{}
	for i, h := range list {
		at := index(path, i)
		name := strings.ToLower(h.GetName())
		switch {
		case !fieldName.MatchString(h.GetName()):
			return broken(at+".name", h.GetName(), "must be the name of a header")
		case slices.Contains(ownHeaders, name):
			return broken(at+".name", h.GetName(), "is a header of the connection")
		case seen[name]:
			return broken(at+".name", h.GetName(), "must be given once")
		case strings.ContainsFunc(h.GetValue(), unicode.IsControl):
			return broken(at+".value", "", "must not have control characters")
		}
		seen[name] = true
		if err := checkFlowText(at+".value", h.GetValue(), maxCalloutHeader); err != nil {
			return err
		}
	}
	return nil
}
