package catalog

import (
	"crypto/x509"
	"encoding/pem"
	"net/url"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
)

// configuration checks the configuration of an identity provider. The first fault is the answer.
type configuration struct{ err error }

const configurationPath = "configuration"

func (c *configuration) fail(path, value, constraint string) {
	if c.err == nil {
		c.err = broken(prototree.Join(configurationPath, path), value, constraint)
	}
}

// has refuses a configuration without one of the members it must have, all of them together.
func (c *configuration) has(m proto.Message, members []string) {
	if c.err != nil {
		return
	}
	r := m.ProtoReflect()
	var pairs []string
	for _, name := range members {
		given := ""
		if fd := r.Descriptor().Fields().ByJSONName(name); r.Has(fd) {
			given = "given"
			if fd.Kind() == protoreflect.StringKind && !fd.IsList() {
				given = r.Get(fd).String()
			}
		}
		pairs = append(pairs, prototree.Join(configurationPath, name), given)
	}
	c.err = required(pairs...)
}

func (c *configuration) required(pairs ...string) {
	if c.err != nil {
		return
	}
	full := slices.Clone(pairs)
	for i := 0; i < len(full); i += 2 {
		full[i] = prototree.Join(configurationPath, full[i])
	}
	c.err = required(full...)
}

// uri accepts an absolute URL with one of the schemes and a host, without user and fragment. Http is accepted for the
// machine itself only, unless it is among the schemes. Empty text is accepted.
func (c *configuration) uri(path, value string, schemes ...string) {
	if value == "" {
		return
	}
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || u.Hostname() == "" || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		c.fail(path, value, "must be an absolute URL")
		return
	}
	scheme := strings.ToLower(u.Scheme)
	local := scheme == "http" && slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname())
	switch {
	case !slices.Contains(schemes, scheme) && !(local && slices.Contains(schemes, "https")):
		c.fail(path, value, "must have the scheme "+strings.Join(schemes, " or "))
	case u.User != nil:
		c.fail(path, "", "must not contain a user or a password")
	case u.Fragment != "":
		c.fail(path, value, "must not have a fragment")
	}
}

// oneOf accepts one of some words, in any case, and nothing.
func (c *configuration) oneOf(path, value string, words ...string) {
	if value == "" || slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, value) }) {
		return
	}
	c.fail(path, value, "must be one of "+strings.Join(words, ", "))
}

// pool checks how connections are kept: milliseconds up to an hour, and how many. 0 is the default.
func (c *configuration) pool(connect, idle, size int32) {
	c.between("connectTimeout", connect, 3_600_000)
	c.between("idleTimeout", idle, 3_600_000)
	c.between("maxPoolSize", size, 10_000)
}

func (c *configuration) between(path string, n, most int32) {
	if c.err == nil {
		c.err = between(prototree.Join(configurationPath, path), int64(n), 0, int64(most))
	}
}

func (c *configuration) scopes(scopes []string) {
	for i, s := range scopes {
		if !oauth2.ValidScope(s) {
			c.fail(prototree.Index("scopes", i), s, "must be printable ASCII without spaces, quotes and backslashes")
		}
	}
}

// certificates accepts PEM blocks of certificates, and nothing.
func (c *configuration) certificates(path, text string) {
	rest := []byte(text)
	for len(strings.TrimSpace(string(rest))) > 0 {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil || block.Type != "CERTIFICATE" {
			c.fail(path, "", "must be certificates in PEM")
			return
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			c.fail(path, "", "must be certificates in PEM; one of them is malformed")
			return
		}
	}
}

// template compiles text with expressions in {#…}.
func (c *configuration) template(path string, place rules.Place, text string) {
	if c.err != nil {
		return
	}
	if _, err := rules.CompileTemplate(place, text); err != nil {
		c.err = badExpression(prototree.Join(configurationPath, path), err)
	}
}

// stands refuses an expression where its value could not be kept in its place.
func (c *configuration) stands(path string, err error) {
	if c.err == nil && err != nil {
		c.err = badExpression(prototree.Join(configurationPath, path), err)
	}
}

// condition compiles a rule; empty text is accepted.
func (c *configuration) condition(path string, place rules.Place, text string) {
	if c.err != nil {
		return
	}
	if _, err := rules.CompileRule(place, text); err != nil {
		c.err = badExpression(prototree.Join(configurationPath, path), err)
	}
}
