package main

import (
	"runtime/debug"
	"slices"
	"testing"
)

func TestDescribe(t *testing.T) {
	const digest = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
	d := describe("gateway", "v1.2.3", digest, &debug.BuildInfo{
		GoVersion: "go1.26.8", Main: debug.Module{Path: "example.com/services/gateway", Version: "(devel)"},
		Deps: []*debug.Module{
			{Path: "github.com/a/b", Version: "v1.0.0", Sum: "h1:AAAA"},
			{Path: "example.com/pkg", Version: "v0.0.0", Replace: &debug.Module{Path: "../../pkg"}},
			{Path: "github.com/c/d", Version: "v1.0.0", Replace: &debug.Module{Path: "github.com/e/f", Version: "v2.0.0+incompatible"}},
		},
		Settings: []debug.BuildSetting{{Key: "GOARCH", Value: "amd64"}, {Key: "vcs.time", Value: "now"}},
	})
	var found []string
	for _, c := range d.Components {
		found = append(found, c.PURL)
	}
	want := []string{
		"pkg:golang/example.com/pkg@v1.2.3", "pkg:golang/github.com/a/b@v1.0.0", "pkg:golang/github.com/e/f@v2.0.0%2Bincompatible", "pkg:golang/stdlib@1.26.8",
	}
	if !slices.Equal(found, want) {
		t.Errorf("components %v\nwant       %v", found, want)
	}
	if !slices.Equal(d.Dependencies[0].DependsOn, want) {
		t.Errorf("dependencies %v", d.Dependencies)
	}
	if d.SerialNumber != "urn:uuid:2c26b46b-68ff-868f-b99b-453c1d304134" {
		t.Errorf("serial number %s", d.SerialNumber)
	}
	if p := d.Metadata.Component; p.PURL != "pkg:golang/example.com/services/gateway@v1.2.3" || p.Hashes[0].Content != digest {
		t.Errorf("program %+v", p)
	}
	if s := d.Metadata.Properties; len(s) != 1 || s[0] != (property{"gatehouse:build:GOARCH", "amd64"}) {
		t.Errorf("settings %v", s)
	}
}
