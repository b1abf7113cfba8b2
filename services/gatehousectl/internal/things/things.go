// Package things finds, lists, compares and changes what management has, whatever kind it is of.
package things

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-am/gatehouse/services/gatehousectl/client"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/api"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/kinds"
)

// Object is an object of JSON.
type Object = map[string]any

// Client works on the things of one management.
type Client struct {
	Conn *api.Conn
	// Confirm is asked where management wants a consequence confirmed; nil never confirms.
	Confirm func(p *api.Problem) (bool, error)
	// Words are consequences that are confirmed from the beginning.
	Words []string

	found map[string]string // identifiers that were looked up, by path and name
}

// request is what is sent beside the path.
type request struct {
	body   any
	query  url.Values
	etag   string
	writes bool
}

// call sends a request of a kind, and asks for what has to be confirmed.
func (c *Client) call(ctx context.Context, call kinds.Call, at []string, r request) (api.Answer, error) {
	words := slices.Clone(c.Words)
	for attempt := 0; ; attempt++ {
		answer, err := c.send(ctx, call, at, r, words)
		expand(answer.Tree)
		var p *api.Problem
		if !errors.As(err, &p) || p.Confirm == nil || c.Confirm == nil || attempt == 4 {
			return answer, err
		}
		yes, asked := c.Confirm(p)
		if asked != nil {
			return answer, asked
		}
		if !yes {
			return answer, err
		}
		if !slices.Contains(words, p.Confirm.Word) {
			words = append(words, p.Confirm.Word)
		}
	}
}

// expand reads a configuration that is written as a text of JSON, so that people see its members. The API takes either.
func expand(tree any) {
	switch v := tree.(type) {
	case []any:
		for _, entry := range v {
			expand(entry)
		}
	case Object:
		expand(v["data"])
		text, ok := v["configuration"].(string)
		if !ok || !strings.HasPrefix(text, "{") {
			return
		}
		var inner Object
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		if decoder.Decode(&inner) == nil {
			v["configuration"] = inner
		}
	}
}

func (c *Client) send(ctx context.Context, call kinds.Call, at []string, r request, words []string) (api.Answer, error) {
	var body io.Reader
	if r.body != nil {
		text, err := json.Marshal(r.body)
		if err != nil {
			return api.Answer{}, err
		}
		body = bytes.NewReader(text)
	}
	edit := func(_ context.Context, q *http.Request) error {
		values := q.URL.Query()
		for name, all := range r.query {
			values[name] = all
		}
		if r.writes && len(words) > 0 {
			values["confirm"] = words
		}
		q.URL.RawQuery = values.Encode()
		if r.etag != "" {
			q.Header.Set("If-Match", r.etag)
		}
		return nil
	}
	return c.Conn.Call(ctx, r.writes && r.query.Get("dryRun") == "", func(ctx context.Context) (*http.Response, error) {
		return call(ctx, c.Conn.Client, at, body, edit)
	})
}

// pageSize is what is asked for at once.
const pageSize = 1000

// List reads a list, all pages of it, at most limit entries where that is not 0.
func (c *Client) List(ctx context.Context, k *kinds.Kind, at []string, search string, limit int) ([]Object, error) {
	switch {
	case k.Templates != nil:
		return c.texts(ctx, k, at)
	case k.List == nil:
		return nil, fmt.Errorf("%s can not be listed", k.Name)
	case search != "" && !k.Search:
		return nil, fmt.Errorf("%s can not be searched", k.Name)
	}
	var all []Object
	for page := 0; ; page++ {
		query := url.Values{}
		if k.Paged {
			size := pageSize
			if limit > 0 {
				size = min(size, limit) // the same for every page
			}
			query.Set("page", strconv.Itoa(page))
			query.Set("size", strconv.Itoa(size))
		}
		if search != "" {
			query.Set("q", search)
		}
		answer, err := c.call(ctx, k.List, at, request{query: query})
		if err != nil {
			return nil, err
		}
		entries, total := entriesOf(answer.Tree)
		all = append(all, entries...)
		if limit > 0 && len(all) >= limit {
			return all[:limit], nil
		}
		if !k.Paged || len(entries) == 0 || len(all) >= total {
			return all, nil
		}
	}
}

// entriesOf are those of a list or a page, and how many there are.
func entriesOf(tree any) (entries []Object, total int) {
	list, ok := tree.([]any)
	if page, isPage := tree.(Object); !ok && isPage {
		list, _ = page["data"].([]any)
		count, _ := page["totalCount"].(json.Number)
		total, _ = strconv.Atoi(count.String())
	}
	for _, entry := range list {
		if o, ok := entry.(Object); ok {
			entries = append(entries, o)
		}
	}
	return entries, max(total, len(entries))
}

// texts reads pages and e-mails that somebody wrote, one for each template.
func (c *Client) texts(ctx context.Context, k *kinds.Kind, at []string) ([]Object, error) {
	answer, err := c.call(ctx, k.Templates, at, request{})
	if err != nil {
		return nil, err
	}
	var all []Object
	known, _ := answer.Object()["templates"].([]any)
	for _, entry := range known {
		template, _ := entry.(Object)["template"].(string)
		text, err := c.text(ctx, k, at, template)
		if err != nil {
			return nil, err
		}
		if ID(text.Object()) != "" {
			all = append(all, text.Object())
		}
	}
	return all, nil
}

func (c *Client) text(ctx context.Context, k *kinds.Kind, at []string, template string) (api.Answer, error) {
	return c.call(ctx, k.List, at, request{query: url.Values{"template": {template}}})
}

// ID is the identifier of an entry, "" if it has none.
func ID(entry Object) string {
	for _, name := range []string{"id", "tokenId", "kid"} {
		if id, ok := entry[name].(string); ok && id != "" {
			return id
		}
	}
	return ""
}

// Name is what people call an entry.
func Name(k *kinds.Kind, entry Object) string {
	for _, key := range k.Keys {
		if name, ok := entry[key].(string); ok && name != "" {
			return name
		}
	}
	return ID(entry)
}

// Found is something that is there.
type Found struct {
	ID, Name string
	Tree     Object
	ETag     string
}

// Missing is the error where nothing has a name.
type Missing struct{ Kind, Name string }

func (m *Missing) Error() string {
	return fmt.Sprintf("there is no %s %q\nSee what there is: gatehousectl list %s", m.Kind, m.Name, m.plural())
}

func (m *Missing) plural() string {
	if k, err := kinds.Find(m.Kind); err == nil {
		return k.Name
	}
	return m.Kind
}

// Ambiguous is the error where several have a name.
type Ambiguous struct {
	Kind, Name string
	Candidates []string
}

func (a *Ambiguous) Error() string {
	return fmt.Sprintf("%d of kind %s are called %q; say which by its id:\n  %s", len(a.Candidates), a.Kind, a.Name, strings.Join(a.Candidates, "\n  "))
}

// Find finds what has an identifier or a name: *Missing or *Ambiguous where it is not one.
func (c *Client) Find(ctx context.Context, k *kinds.Kind, at []string, name string) (*Found, error) {
	if k.Singleton {
		return c.read(ctx, k, at)
	}
	if name == "" {
		return nil, fmt.Errorf("which %s? Give its name or id", k.One)
	}
	if k.Read != nil {
		found, err := c.read(ctx, k, append(slices.Clone(at), name))
		var p *api.Problem
		if !errors.As(err, &p) || p.Status != http.StatusNotFound && p.Status != http.StatusBadRequest {
			return found, err
		}
	}
	if k.Templates != nil {
		answer, err := c.text(ctx, k, at, name)
		if err != nil {
			return nil, err
		}
		if ID(answer.Object()) == "" {
			return nil, &Missing{k.One, name}
		}
		return found(k, answer), nil
	}
	matching, err := c.named(ctx, k, at, name)
	if err != nil {
		return nil, err
	}
	return c.one(ctx, k, at, name, matching)
}

// one reads the only entry there is.
func (c *Client) one(ctx context.Context, k *kinds.Kind, at []string, name string, entries []Object) (*Found, error) {
	switch {
	case len(entries) == 0:
		return nil, &Missing{k.One, name}
	case len(entries) > 1:
		a := &Ambiguous{Kind: k.One, Name: name}
		for _, entry := range entries {
			a.Candidates = append(a.Candidates, ID(entry)+"  "+Name(k, entry))
		}
		return nil, a
	case k.Read != nil:
		return c.read(ctx, k, append(slices.Clone(at), ID(entries[0])))
	}
	return &Found{ID: ID(entries[0]), Name: Name(k, entries[0]), Tree: entries[0]}, nil
}

// named are the entries with a name. A search finds most of them; where it finds none the whole list is looked through.
func (c *Client) named(ctx context.Context, k *kinds.Kind, at []string, name string) ([]Object, error) {
	if k.Path == "/domains" {
		answer, err := c.Conn.Call(ctx, false, func(ctx context.Context) (*http.Response, error) { return c.Conn.GetDomainByHrid(ctx, name) })
		if err == nil {
			return []Object{answer.Object()}, nil
		}
		var p *api.Problem
		if !errors.As(err, &p) || p.Status != http.StatusNotFound {
			return nil, err
		}
	}
	searches := []string{""}
	if k.Search && !strings.Contains(name, "*") {
		searches = []string{name, ""}
	}
	for _, search := range searches {
		entries, err := c.List(ctx, k, at, search, 0)
		if err != nil {
			return nil, err
		}
		matching := slices.DeleteFunc(entries, func(entry Object) bool {
			return ID(entry) != name && !slices.ContainsFunc(k.Keys, func(key string) bool { return entry[key] == name })
		})
		if len(matching) > 0 {
			return matching, nil
		}
	}
	return nil, nil
}

func (c *Client) read(ctx context.Context, k *kinds.Kind, at []string) (*Found, error) {
	answer, err := c.call(ctx, k.Read, at, request{})
	if err != nil {
		return nil, err
	}
	return found(k, answer), nil
}

func found(k *kinds.Kind, answer api.Answer) *Found {
	return &Found{ID: ID(answer.Object()), Name: Name(k, answer.Object()), Tree: answer.Object(), ETag: answer.ETag}
}

// Place finds what something lies in: the values of the parameters of its path. In says which they are, by name or id.
func (c *Client) Place(ctx context.Context, k *kinds.Kind, in map[string]string) ([]string, error) {
	at := []string{}
	for _, parent := range k.Parents() {
		id, err := c.parent(ctx, k, parent, at, in[parent])
		if err != nil {
			return nil, err
		}
		at = append(at, id)
	}
	return at, nil
}

func (c *Client) parent(ctx context.Context, k *kinds.Kind, parent string, at []string, name string) (string, error) {
	above := kinds.At(k.Path, parent)
	known := above.Path + " " + strings.Join(at, "/") + " " + name
	if id, ok := c.found[known]; ok {
		return id, nil
	}
	id := ""
	if name == "" && (parent == "organization" || parent == "environment") {
		// There is one of each.
		entries, err := c.List(ctx, above, at, "", 0)
		if err != nil {
			return "", err
		}
		if len(entries) != 1 {
			return "", fmt.Errorf("there are %d of kind %s", len(entries), parent)
		}
		id = ID(entries[0])
	} else {
		if name == "" {
			return "", fmt.Errorf("in which %s? Say --%s, or metadata.%s in a file", parent, parent, parent)
		}
		one, err := c.Find(ctx, above, at, name)
		if err != nil {
			return "", err
		}
		id = one.ID
	}
	if c.found == nil {
		c.found = map[string]string{}
	}
	c.found[known] = id
	return id, nil
}

// Delete deletes what was found, if nobody has changed it since.
func (c *Client) Delete(ctx context.Context, k *kinds.Kind, at []string, one *Found, dryRun bool) error {
	if k.Delete == nil {
		return fmt.Errorf("%s can not be deleted", k.Name)
	}
	if dryRun && !k.DryRun {
		return &NoDryRun{k.Name}
	}
	r := request{etag: one.ETag, writes: true}
	if dryRun {
		r.query = url.Values{"dryRun": {"true"}}
	}
	_, err := c.call(ctx, k.Delete, append(slices.Clone(at), one.ID), r)
	return err
}

// NoDryRun is the error where management can not try something out.
type NoDryRun struct{ Kind string }

func (n *NoDryRun) Error() string {
	return fmt.Sprintf("management has no dry run for %s; gatehousectl diff shows what is asked for, unchecked", n.Kind)
}

// Audits reads a page of records, the newest first, of a domain and an application where those are named.
func (c *Client) Audits(ctx context.Context, at []string, query url.Values) ([]Object, int, error) {
	call := func(ctx context.Context, api *client.Client, at []string, _ io.Reader, edit ...client.RequestEditorFn) (*http.Response, error) {
		switch len(at) {
		case 1:
			return api.ListAudits(ctx, at[0], &client.ListAuditsParams{}, edit...)
		case 2:
			return api.ListApplicationAudits(ctx, at[0], at[1], &client.ListApplicationAuditsParams{}, edit...)
		}
		organization, err := c.parent(ctx, &kinds.Kind{Path: "/organizations/{organization}/audits"}, "organization", nil, "")
		if err != nil {
			return nil, err
		}
		return api.ListOrganizationAudits(ctx, organization, &client.ListOrganizationAuditsParams{}, edit...)
	}
	answer, err := c.call(ctx, call, at, request{query: query})
	if err != nil {
		return nil, 0, err
	}
	entries, total := entriesOf(answer.Tree)
	return entries, total, nil
}
