package demo

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

const (
	domainName = "demo"
	// description marks a domain that was made here.
	description = "The demonstration of the development binary"
	userName    = "alice"
)

// Demonstration is what was made, with the credentials that management shows once.
type Demonstration struct {
	// Finished is false from the moment everything exists until the domain is enabled.
	Finished bool   `json:"finished"`
	Domain   Domain `json:"domain"`
	User     User   `json:"user"`
	Web      Client `json:"web"`
	Service  Client `json:"service"`
}

// Domain is the demonstration domain.
type Domain struct {
	ID   string `json:"id"`
	Path string `json:"path"` // below the gateway's URL, such as /demo
}

// User can sign in.
type User struct {
	Name     string `json:"name"`
	Password string `json:"password"`
}

// Client is an application and what it authenticates with.
type Client struct {
	ID           string `json:"id"`
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
	RedirectURI  string `json:"redirectUri,omitempty"`
}

// Ensure returns the demonstration described in file, or makes one and writes the file. The web application gets
// redirectURI, and home as the page to return to after signing out. A domain of the same name that somebody else made
// is an error and stays as it is.
func Ensure(ctx context.Context, api *API, file, redirectURI, home string) (*Demonstration, error) {
	d, err := read(file)
	if errors.Is(err, fs.ErrNotExist) {
		if d, err = create(ctx, api, redirectURI, home); err != nil {
			return nil, err
		}
		err = write(file, d)
	}
	if err != nil {
		return nil, err
	}
	if d.Web.RedirectURI != redirectURI {
		// The addresses changed since the last start.
		if err := api.call(ctx, http.MethodPatch, d.application(d.Web), webAddresses(redirectURI, home), nil); err != nil {
			return nil, err
		}
		d.Web.RedirectURI = redirectURI
		if err := write(file, d); err != nil {
			return nil, err
		}
	}
	if !d.Finished {
		if err := api.call(ctx, http.MethodPatch, "/domains/"+d.Domain.ID, object{"enabled": true}, nil); err != nil {
			return nil, err
		}
		d.Finished = true
		if err := write(file, d); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *Demonstration) application(c Client) string {
	return "/domains/" + d.Domain.ID + "/applications/" + c.ID
}

func read(file string) (*Demonstration, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	d := new(Demonstration)
	if err := json.Unmarshal(text, d); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return d, nil
}

// write replaces the file as a whole. Only its owner can read it.
func write(file string, d *Demonstration) error {
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".demo-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // nothing is left of that name after the renaming
	_, err = f.Write(append(text, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// newPassword has 60 random bits in 12 characters that do not look alike.
func newPassword() string {
	const letters = "abcdefghijkmnpqrstuvwxyz23456789"
	var random [12]byte
	rand.Read(random[:]) // never fails: crypto/rand aborts the program instead
	var b strings.Builder
	for i, r := range random {
		if i > 0 && i%4 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(letters[int(r)%len(letters)])
	}
	return b.String()
}
