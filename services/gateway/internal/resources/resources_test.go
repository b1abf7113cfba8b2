package resources_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
	"github.com/gatehouse-am/gatehouse/pkg/profile"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/domain"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/resources"
)

const (
	open   = "https://api.example/v1"
	closed = "https://ledger.example/"
)

func TestGrant(t *testing.T) {
	known := map[string]*configv1.ProtectedResource{
		open: {Identifier: open}, closed: {Identifier: closed, Restricted: true}, "urn:acme:files": {Identifier: "urn:acme:files"},
	}
	tests := []struct {
		name           string
		domain, client profile.Name
		none           bool
		own, requested []string
		want           []string
		refused        string
	}{
		{name: "nothing is asked for, nothing is given"},
		{name: "a resource of the domain", requested: []string{open}, want: []string{open}},
		{name: "several, each once, in their order", requested: []string{"urn:acme:files", open, "urn:acme:files"}, want: []string{"urn:acme:files", open}},
		{name: "an unknown one", requested: []string{"https://other.example/"}, refused: "The resource [ https://other.example/ ] is not one that this client can ask for"},
		{name: "identifiers are compared as strings", requested: []string{open + "/"}, refused: "The resource [ " + open + "/ ] is not one that this client can ask for"},
		{name: "a restricted one, for others", requested: []string{open, closed}, refused: "The resource [ " + closed + " ] is not one that this client can ask for"},
		{name: "a restricted one, for who names it", own: []string{closed}, requested: []string{closed}, want: []string{closed}},
		{name: "who names one may ask for open ones too", own: []string{closed}, requested: []string{open}, want: []string{open}},
		{name: "a relative reference", requested: []string{"/v1"}, refused: "The resource [ /v1 ] is not an absolute URI without a fragment"},
		{name: "a fragment", requested: []string{open + "#x"}, refused: "The resource [ " + open + "#x ] is not an absolute URI without a fragment"},
		{name: "an empty fragment", requested: []string{open + "#"}, refused: "The resource [ " + open + "# ] is not an absolute URI without a fragment"},
		{name: "no URI at all", requested: []string{"a b"}, refused: "The resource [ a b ] is not an absolute URI without a fragment"},
		{name: "the domain's profile wants one", domain: profile.MCP, client: profile.FAPI2, refused: "Missing parameter: resource"},
		{name: "the client's profile wants one", client: profile.MCP, refused: "Missing parameter: resource"},
		{name: "a profile wants none of a domain that has none", domain: profile.MCP, client: profile.MCP, none: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := &domain.Domain{Core: &domain.Core{Profile: profile.Of(tt.domain), Resources: known}}
			if tt.none {
				d.Resources = nil
			}
			got, err := resources.Grant(d, &domain.Client{Profile: profile.Of(tt.client), Resources: tt.own}, tt.requested)
			check(t, got, tt.want, err, tt.refused)
		})
	}
}

func TestNarrow(t *testing.T) {
	granted := []string{open, closed}
	tests := []struct {
		name               string
		granted, requested []string
		want               []string
		refused            string
	}{
		{"all that was granted", granted, nil, granted, ""},
		{"a part of it", granted, []string{closed, closed}, []string{closed}, ""},
		{"more than was granted", granted, []string{open, "urn:x"}, nil, "The resource [ urn:x ] was not part of the authorization"},
		{"one where none was granted", nil, []string{open}, nil, "The resource [ " + open + " ] was not part of the authorization"},
		{"nothing of nothing", nil, nil, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := resources.Narrow(tt.granted, tt.requested)
			check(t, got, tt.want, err, tt.refused)
		})
	}
}

func check(t *testing.T, got, want []string, err error, refused string) {
	t.Helper()
	if refused != "" {
		if e := oauth2.AsError(err); e == nil || e.Code != oauth2.InvalidTarget || e.Description != refused {
			t.Errorf("error %v, want %s", err, refused)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
}
