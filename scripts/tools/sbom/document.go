package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"os"
	"runtime/debug"
	"slices"
	"strings"
)

// document is the part of CycloneDX 1.6 that is written.
type document struct {
	Format       string       `json:"bomFormat"`
	SpecVersion  string       `json:"specVersion"`
	SerialNumber string       `json:"serialNumber"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Component  component  `json:"component"`
	Properties []property `json:"properties"`
}

type component struct {
	Ref        string     `json:"bom-ref"`
	Type       string     `json:"type"`
	Name       string     `json:"name"`
	Version    string     `json:"version,omitempty"`
	Hashes     []hash     `json:"hashes,omitempty"`
	PURL       string     `json:"purl,omitempty"`
	Properties []property `json:"properties,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn"`
}

// describe lists the modules that are linked into a program, and Go's own library as one.
func describe(name, version, digest string, info *debug.BuildInfo) document {
	program := component{
		Ref: "program", Type: "application", Name: name, Version: version,
		Hashes: []hash{{"SHA-256", digest}}, PURL: purl(info.Main.Path, version),
	}
	d := document{
		Format: "CycloneDX", SpecVersion: "1.6", SerialNumber: "urn:uuid:" + identifier(digest), Version: 1,
		Metadata: metadata{Component: program, Properties: settings(info.Settings)},
	}
	goVersion := strings.TrimPrefix(info.GoVersion, "go")
	d.Components = append(d.Components, component{
		Ref: purl("stdlib", goVersion), Type: "library", Name: "stdlib", Version: goVersion, PURL: purl("stdlib", goVersion),
	})
	for _, m := range info.Deps {
		used := m
		if m.Replace != nil {
			used = m.Replace
		}
		if strings.HasPrefix(used.Path, ".") {
			// A module of this repository: it has the program's version.
			used = &debug.Module{Path: m.Path, Version: version}
		}
		c := component{Ref: purl(used.Path, used.Version), Type: "library", Name: used.Path, Version: used.Version, PURL: purl(used.Path, used.Version)}
		if text, ok := strings.CutPrefix(used.Sum, "h1:"); ok {
			// The sum is over the list of the module's files, not over one file: no hash in CycloneDX' sense.
			if _, err := base64.StdEncoding.DecodeString(text); err == nil {
				c.Properties = []property{{"gatehouse:go.sum", used.Sum}}
			}
		}
		d.Components = append(d.Components, c)
	}
	slices.SortFunc(d.Components, func(a, b component) int { return strings.Compare(a.Ref, b.Ref) })
	on := make([]string, 0, len(d.Components))
	for _, c := range d.Components {
		on = append(on, c.Ref)
	}
	d.Dependencies = []dependency{{Ref: program.Ref, DependsOn: on}}
	return d
}

// settings are how the program was built, as far as it changes the bytes.
func settings(all []debug.BuildSetting) []property {
	kept := []property{}
	for _, s := range all {
		if strings.HasPrefix(s.Key, "GO") || s.Key == "CGO_ENABLED" || strings.HasPrefix(s.Key, "-") {
			kept = append(kept, property{"gatehouse:build:" + s.Key, s.Value})
		}
	}
	return kept
}

// purl names a Go module as package URLs do; every segment of the path is escaped by itself.
func purl(path, version string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	name := "pkg:golang/" + strings.Join(segments, "/")
	if version == "" {
		return name
	}
	return name + "@" + strings.ReplaceAll(url.QueryEscape(version), "%3A", ":")
}

// identifier makes a UUID (version 8, RFC 9562 §5.8) of a digest, so that it is the same for the same program.
func identifier(digest string) string {
	raw, _ := hex.DecodeString(digest[:32])
	raw[6] = raw[6]&0x0f | 0x80
	raw[8] = raw[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", raw[:4], raw[4:6], raw[6:8], raw[8:10], raw[10:16])
}

func sum(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
