package clientmeta

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// NewVerdict is what was found out about a software statement: the issuer by whom it was accepted, or nothing if it was not.
func NewVerdict(statement, issuer string) *configv1.SoftwareStatementVerdict {
	return &configv1.SoftwareStatementVerdict{Digest: digest(statement), Accepted: issuer != "", Issuer: issuer}
}

// Verdict returns what was found out about the software statement that a client has; nil if that is not known. What was found out about
// another statement is nothing: programs from before verdicts, and operators, change statements alone.
func Verdict(o *configv1.OAuthSettings) *configv1.SoftwareStatementVerdict {
	v := o.GetSoftwareStatementVerdict()
	if v == nil || o.GetSoftwareStatement() == "" || v.GetDigest() != digest(o.GetSoftwareStatement()) {
		return nil
	}
	return v
}

// StatementIssuer returns who signed the software statement of a client, if it was accepted.
func StatementIssuer(o *configv1.OAuthSettings) string { return Verdict(o).GetIssuer() }

// Claimed reports whether the software statement of a client was accepted and says something of a member.
func Claimed(o *configv1.OAuthSettings, name string) bool {
	if !Verdict(o).GetAccepted() {
		return false
	}
	_, claims, err := jose.Unverified(o.GetSoftwareStatement()) // verified when it was accepted
	return err == nil && claims.Has(name)
}

func digest(statement string) string {
	sum := sha256.Sum256([]byte(statement))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Where returns the names of the members, scope among them, of which has is true, sorted.
func Where(has func(name string) bool) []string {
	names := []string{}
	for _, name := range append(slices.Clone(registered), scopeMember) {
		if has(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Keeps reports whether one state of a client has the value of another one for a member, if that has one. Scope, for which no field stands,
// is always kept.
func Keeps(stored, asked *configv1.OAuthSettings, name string) bool {
	f := members[name]
	if f == nil || !stored.ProtoReflect().Has(f) {
		return true
	}
	return stored.ProtoReflect().Get(f).Equal(asked.ProtoReflect().Get(f))
}
