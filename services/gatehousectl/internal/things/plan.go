package things

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-am/gatehouse/services/gatehousectl/client"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/api"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/document"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/kinds"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/unified"
)

// The words for what is to be done, and for what was.
const (
	Create = "created"
	Change = "changed"
	Same   = "unchanged"
)

// mask stands in answers for what is never shown.
const mask = "********"

// Plan is what applying a document comes to.
type Plan struct {
	Document document.Document
	Kind     *kinds.Kind
	// Action is Create, Change or Same.
	Action string
	// Name is what it is called.
	Name string
	// Notes say what else is to be known.
	Notes []string

	at            []string
	found         *Found // nil where there is nothing yet
	replace       bool
	referred      []string // names of what it refers to
	spec          Object
	before, after Object
}

// Options of applying.
type Options struct {
	// Replace sends the whole in the place of what is there; what is left out is reset. Otherwise it is merged (RFC 7396).
	Replace bool
	// Pending is whether something is to be made before this; what this lies in, or refers to, may be that.
	Pending bool
	// Unchecked lets kinds be compared that management can not try out.
	Unchecked bool
}

// Plan finds out what applying a document would do, by a dry run where management has one. It changes nothing.
func (c *Client) Plan(ctx context.Context, d document.Document, o Options) (*Plan, error) {
	k, err := kinds.Find(d.Kind)
	if err != nil {
		return nil, err
	}
	p := &Plan{Document: d, Kind: k, replace: o.Replace, spec: maps.Clone(d.Spec)}
	if p.spec == nil {
		p.spec = Object{}
	}
	if p.at, err = c.Place(ctx, k, d.In); err == nil {
		err = c.refer(ctx, p)
	}
	var missing *Missing
	if o.Pending && errors.As(err, &missing) {
		p.Name, p.Action, p.after = p.called(), Create, merge(nil, p.spec)
		p.note("lies in, or refers to, what is to be made before it (%s %q): unchecked", missing.Kind, missing.Name)
		p.hide()
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	if err := c.locate(ctx, p); err != nil {
		return nil, err
	}
	if p.found == nil {
		err = c.planCreation(ctx, p, o)
	} else {
		err = c.planChange(ctx, p, o)
	}
	if err != nil {
		return nil, err
	}
	if p.Action == "" {
		p.Action = Change
		if reflect.DeepEqual(settled(k, p.before), settled(k, p.after)) {
			p.Action = Same
		}
	}
	return p, nil
}

// refer puts identifiers in the place of names.
func (c *Client) refer(ctx context.Context, p *Plan) error {
	for member, kind := range p.Kind.References {
		name, ok := p.spec[member].(string)
		if !ok || name == "" {
			continue
		}
		other, err := kinds.Find(kind)
		if err != nil {
			return err
		}
		one, err := c.Find(ctx, other, p.at[:1], name)
		if err != nil {
			return fmt.Errorf("spec.%s: %w", member, err)
		}
		p.spec[member] = one.ID
		p.referred = append(p.referred, one.Name)
	}
	return nil
}

// locate finds what a document is about; nothing, where it is to be made.
func (c *Client) locate(ctx context.Context, p *Plan) error {
	k, d := p.Kind, p.Document
	p.Name = p.called()
	if k.Singleton {
		var err error
		p.found, err = c.Find(ctx, k, p.at, "")
		return err
	}
	var missing *Missing
	for _, name := range []string{d.ID, d.Name, nameIn(k, p.spec)} {
		if name == "" {
			continue
		}
		one, err := c.Find(ctx, k, p.at, name)
		if err == nil {
			p.found = one
			return nil
		}
		if !errors.As(err, &missing) {
			return err
		}
	}
	if len(k.References) > 0 && d.ID == "" && d.Name == "" {
		entries, err := c.List(ctx, k, p.at, "", 0)
		if err != nil {
			return err
		}
		entries = slices.DeleteFunc(entries, func(entry Object) bool { return !refersLike(k, entry, p.spec) })
		if len(entries) > 0 {
			p.found, err = c.one(ctx, k, p.at, p.Name, entries)
			return err
		}
	}
	switch {
	case d.Revision != 0:
		return fmt.Errorf("%s %q is to be at revision %d, and there is none", k.One, p.Name, d.Revision)
	case d.ID != "" && d.Name == "" && nameIn(k, p.spec) == "":
		return missing
	case k.Create == nil && k.Add == nil && k.ReplaceAll == nil:
		return fmt.Errorf("there is no %s %q, and it can not be made", k.One, p.Name)
	}
	return nil
}

// called is what a document calls what it is about.
func (p *Plan) called() string {
	return cmp.Or(p.Document.Name, Name(p.Kind, p.spec), p.Document.ID, strings.Join(p.referred, "+"), p.Kind.One)
}

func nameIn(k *kinds.Kind, spec Object) string {
	if name := Name(k, spec); name != ID(spec) {
		return name
	}
	return ""
}

// refersLike reports whether an entry is about the same as a document.
func refersLike(k *kinds.Kind, entry, spec Object) bool {
	for member := range k.References {
		if entry[member] != spec[member] {
			return false
		}
	}
	return true
}

// split says which members a creation takes, and which have to be set afterwards. What nobody knows goes with the creation,
// which refuses it.
func (p *Plan) split() (made, rest Object) {
	k := p.Kind
	made, rest = Object{}, Object{}
	for name, value := range p.spec {
		switch {
		case slices.Contains(k.Made, name):
			made[name] = value
		case slices.Contains(k.ReadOnly, name):
		case slices.Contains(k.Kept, name) && (k.Patch != nil || k.Replace != nil):
			rest[name] = value
		default:
			made[name] = value
		}
	}
	return made, rest
}

func (c *Client) planCreation(ctx context.Context, p *Plan, o Options) error {
	p.Action = Create
	made, rest := p.split()
	p.after = merge(made, rest)
	if p.Kind.Create != nil && p.Kind.DryRun {
		answer, err := c.call(ctx, p.Kind.Create, p.at, request{body: made, query: url.Values{"dryRun": {"true"}}, writes: true})
		if err != nil {
			return err
		}
		p.after = merge(answer.Object(), rest)
		if len(rest) > 0 {
			p.note("%s: checked when it is there", strings.Join(slices.Sorted(maps.Keys(rest)), ", "))
		}
	} else if err := p.unchecked(o); err != nil {
		return err
	}
	p.hide()
	return nil
}

func (c *Client) planChange(ctx context.Context, p *Plan, o Options) error {
	k := p.Kind
	p.before = p.found.Tree
	p.Name = cmp.Or(p.found.Name, p.Name)
	if p.Document.Revision != 0 && p.found.ETag != quoted(p.Document.Revision) {
		return &api.Problem{Status: 412, Problem: stale(p)}
	}
	for _, name := range slices.Sorted(maps.Keys(p.spec)) {
		if slices.Contains(k.Made, name) && !slices.Contains(k.Kept, name) && k.Kept != nil {
			delete(p.spec, name)
			p.note("%s only counts when it is made, and is left as it is", name)
		}
	}
	if k.Patch == nil && k.Replace == nil {
		p.after = p.before
		p.note("can not be changed, only made and deleted")
		return nil
	}
	if len(p.spec) == 0 {
		p.after = p.before
		return nil
	}
	if k.DryRun {
		answer, err := c.change(ctx, p, url.Values{"dryRun": {"true"}})
		if err != nil {
			return err
		}
		p.after = answer.Object()
	} else {
		if err := p.unchecked(o); err != nil {
			return err
		}
		p.after = merge(p.before, without(p.spec, k.ReadOnly))
	}
	p.hide()
	return nil
}

func (p *Plan) unchecked(o Options) error {
	if !o.Unchecked {
		return &NoDryRun{p.Kind.Name}
	}
	p.note("management has no dry run for this: what is shown is what is asked for, unchecked")
	return nil
}

func (p *Plan) note(format string, args ...any) {
	p.Notes = append(p.Notes, fmt.Sprintf(format, args...))
}

func (c *Client) change(ctx context.Context, p *Plan, query url.Values) (api.Answer, error) {
	k := p.Kind
	do, body := k.Patch, p.spec
	switch {
	case do == nil && !p.replace:
		// Merged here; what was read is still there when it is written.
		do, body = k.Replace, merge(Spec(k, p.found.Tree), p.spec)
	case do == nil || p.replace && k.Replace != nil:
		do = k.Replace
	}
	at := p.at
	if !k.Singleton {
		at = append(slices.Clone(at), p.found.ID)
	}
	etag := p.found.ETag
	if p.Document.Revision != 0 {
		etag = quoted(p.Document.Revision)
	}
	return c.call(ctx, do, at, request{body: body, query: query, etag: etag, writes: true})
}

func quoted(revision int64) string { return `"` + strconv.FormatInt(revision, 10) + `"` }

// Carry carries a plan out, and returns what management answers: for something new with what is shown only once.
func (c *Client) Carry(ctx context.Context, p *Plan) (Object, error) {
	switch {
	case p.Action == Same:
		return p.found.Tree, nil
	case p.found != nil:
		answer, err := c.change(ctx, p, nil)
		return answer.Object(), err
	case p.Kind.Create != nil:
		return c.create(ctx, p)
	case p.Kind.Add != nil:
		return c.add(ctx, p)
	}
	return c.append(ctx, p)
}

// create makes something, in two steps where the first does not take everything. What fails at the second is taken away again.
func (c *Client) create(ctx context.Context, p *Plan) (Object, error) {
	made, rest := p.split()
	answer, err := c.call(ctx, p.Kind.Create, p.at, request{body: made, writes: true})
	if err != nil || len(rest) == 0 {
		return answer.Object(), err
	}
	once := answer.Object()
	second := *p
	second.spec, second.replace, second.Document.Revision = rest, false, 0
	second.found = &Found{ID: ID(once), Tree: once, ETag: answer.ETag}
	if answer, err = c.change(ctx, &second, nil); err == nil {
		return shownOnce(answer.Object(), once), nil
	}
	if undone := c.Delete(context.WithoutCancel(ctx), p.Kind, p.at, second.found, false); undone != nil {
		return nil, fmt.Errorf("%w\nIt was made (id %s) without %s, and could not be taken away again: %w",
			err, second.found.ID, strings.Join(slices.Sorted(maps.Keys(rest)), ", "), undone)
	}
	return nil, err
}

// shownOnce puts back into a later answer the secrets that only the first one had.
func shownOnce(later, first Object) Object {
	out := maps.Clone(later)
	for name, value := range first {
		switch v := value.(type) {
		case Object:
			if o, ok := out[name].(Object); ok {
				out[name] = shownOnce(o, v)
			}
		case string:
			if name == "clientSecret" && v != mask {
				out[name] = v
			}
		}
	}
	return out
}

// add brings something that is there into a collection: a person into a group.
func (c *Client) add(ctx context.Context, p *Plan) (Object, error) {
	people, err := kinds.Find("users")
	if err != nil {
		return nil, err
	}
	one, err := c.Find(ctx, people, p.at[:1], p.Name)
	if err != nil {
		return nil, err
	}
	_, err = c.call(ctx, p.Kind.Add, append(slices.Clone(p.at), one.ID), request{writes: true})
	return one.Tree, err
}

// append adds to a collection that is only written as a whole: flows.
func (c *Client) append(ctx context.Context, p *Plan) (Object, error) {
	answer, err := c.call(ctx, p.Kind.List, p.at, request{})
	if err != nil {
		return nil, err
	}
	entries, _ := entriesOf(answer.Tree)
	whole := []any{}
	known := map[string]bool{}
	for _, entry := range entries {
		if ID(entry) != "" { // what nobody wrote is listed too
			whole, known[ID(entry)] = append(whole, entry), true
		}
	}
	answer, err = c.call(ctx, p.Kind.ReplaceAll, p.at, request{body: append(whole, p.spec), etag: answer.ETag, writes: true})
	if err != nil {
		return nil, err
	}
	entries, _ = entriesOf(answer.Tree)
	for _, entry := range entries {
		if id := ID(entry); id != "" && !known[id] {
			return entry, nil
		}
	}
	return nil, nil
}

// Diff shows what is there and what would be, without secrets.
func (p *Plan) Diff() string {
	if p.Action == Same {
		return ""
	}
	before, after := "", p.text(p.after)
	from := "/dev/null"
	if p.found != nil {
		before, from = p.text(p.before), fmt.Sprintf("%s/%s (now%s)", p.Kind.One, p.Name, revision(p.before))
	}
	return unified.Diff(from, fmt.Sprintf("%s/%s (after)", p.Kind.One, p.Name), before, after)
}

func revision(tree Object) string {
	if n, ok := tree["revision"].(json.Number); ok {
		return ", revision " + n.String()
	}
	return ""
}

func (p *Plan) text(tree Object) string { return document.YAML(settled(p.Kind, tree)) }

// settled is a tree without what only the server writes: some of it is worked out for a reader alone, and the rest follows from
// what is compared.
func settled(k *kinds.Kind, tree Object) Object {
	return without(without(tree, k.ReadOnly), []string{"revision", "updatedAt", "createdAt", "notices", "lastUsedAt"})
}

// without takes members out; those within objects are paths. The tree is not changed.
func without(tree Object, paths []string) Object {
	out := maps.Clone(tree)
	for _, path := range paths {
		name, rest, deeper := strings.Cut(path, ".")
		inner, isObject := out[name].(Object)
		switch {
		case !deeper:
			delete(out, name)
		case isObject:
			out[name] = without(inner, []string{rest})
		}
	}
	return out
}

// hide puts a word in the place of secrets that are given, so that it shows that they are, and not which.
func (p *Plan) hide() {
	p.after, _ = p.given(p.after, p.spec).(Object)
}

func (p *Plan) given(after, asked any) any {
	switch a := asked.(type) {
	case Object:
		o, ok := after.(Object)
		if !ok {
			return after
		}
		o = maps.Clone(o)
		for name, value := range a {
			text, isText := value.(string)
			_, there := o[name]
			switch {
			case slices.Contains(p.Kind.Secret, name) && isText && text != mask:
				if there {
					o[name] = mask + " (given)"
				}
			case there:
				o[name] = p.given(o[name], value)
			}
		}
		return o
	case []any:
		list, ok := after.([]any)
		if !ok || len(list) != len(a) {
			return after
		}
		list = slices.Clone(list)
		for i := range list {
			list[i] = p.given(list[i], a[i])
		}
		return list
	}
	return after
}

// merge is a merge patch (RFC 7396). Neither argument is changed.
func merge(target, patch Object) Object {
	out := maps.Clone(target)
	if out == nil {
		out = Object{}
	}
	for name, value := range patch {
		switch v := value.(type) {
		case nil:
			delete(out, name)
		case Object:
			inner, _ := out[name].(Object)
			out[name] = merge(inner, v)
		default:
			out[name] = value
		}
	}
	return out
}

// stale says that somebody was faster.
func stale(p *Plan) client.Problem {
	return client.Problem{Message: fmt.Sprintf("%s %q is not at revision %d any more%s", p.Kind.One, p.Name, p.Document.Revision, strings.Replace(revision(p.before), ", ", ", but at ", 1))}
}

// Spec is what can be written of something that was read.
func Spec(k *kinds.Kind, tree Object) Object { return without(tree, k.ReadOnly) }

// Revision is the one that something was read at; 0 where it has none.
func Revision(one *Found) int64 {
	n, err := strconv.ParseInt(strings.Trim(one.ETag, `"`), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
