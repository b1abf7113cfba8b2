package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// mountHistory adds the past of one resource, which may be gone; on finds its identifier in the request.
func (c *collection[R]) mountHistory(path string, on func(func(http.ResponseWriter, *http.Request, string) error) handler) {
	k, one := c.kind, oneOf(c.kind.Title)
	at := path + "/history"
	if c.kind.Parent == nil {
		c.mountLately(at)
	} else {
		c.mux.Handle("GET "+at, k.Arm+":read", on(c.versions), operation.Operation{
			Summary: "List the history of " + one + ", the newest first.",
			Details: "One that was deleted keeps its history.",
			Query:   pageOnly, Answer: &managementv1.Version{}, Shape: operation.Page,
		})
	}
	c.mux.Handle("GET "+at+"/{revision}", k.Arm+":read", on(c.readVersion), operation.Operation{
		Summary: "Read " + one + " as it was at a revision of the configuration.",
		Details: "Any revision may be named, also one that changed something else. Secrets are masked. 404 where it did not exist then.",
		Answer:  k.New(),
	})
	c.mux.Handle("GET "+at+"/{revision}/diff", k.Arm+":read", on(c.diff), operation.Operation{
		Summary: "Say what differs between " + one + " at a revision and at another.",
		Query: []operation.Parameter{{
			Name: "with", Type: "string", Description: "The other revision, or `current`, which is the default.",
		}},
		Answer: &managementv1.Comparison{},
	})
	c.mux.Handle("POST "+at+"/{revision}/_restore", k.Arm+":update", on(c.restore), operation.Operation{
		Summary: "Put " + one + " back to what it was at a revision.",
		Details: "It is an ordinary change, checked by today's rules: what only the server sets stays as it is, and so do stored secrets. " +
			"A body is merged into the old state first; the history holds no secrets, so it may have to bring one along. " +
			"One that was deleted is created again under its id, which needs the permission to create; what named it does not name it again. " +
			"`notices` say what is not as it was.",
		Body: k.New(), BodyOptional: true, Merge: true, Conditional: true, Answer: k.New(),
	})
}

// mountLately adds the past of everything in a domain, its own included.
func (c *collection[R]) mountLately(path string) {
	c.mux.Handle("GET "+path, "audit:read", c.lately, operation.Operation{
		Summary: "List what changed in a domain, the newest first.",
		Details: "The domain itself is there with `kind=domain`.",
		Query: append(pageOnly[:2:2],
			operation.Parameter{Name: "kind", Type: "string", Description: "The kind of resource, such as `application`."},
			operation.Parameter{Name: "from", Type: "integer", Description: "The first revision."},
			operation.Parameter{Name: "to", Type: "integer", Description: "The last revision."},
			operation.Parameter{Name: "deleted", Type: "boolean", Description: "Only the deletions of what does not exist today."},
		),
		Answer: &managementv1.Version{}, Shape: operation.Page,
	})
}

var pageOnly = []operation.Parameter{
	{Name: "page", Type: "integer", Description: "The page, from 0."},
	{Name: "size", Type: "integer", Description: "Entries on a page; default 50."},
}

func (c *collection[R]) versions(w http.ResponseWriter, r *http.Request, id string) error {
	page, size, _, err := c.mux.Page(r, 0)
	if err != nil {
		return err
	}
	found, total, err := editor.Versions(r.Context(), c.editor, c.kind, placeOf(r), id, page, size)
	if err != nil {
		return err
	}
	return c.mux.List(w, page, total, versionEntries(found))
}

func (c *collection[R]) lately(w http.ResponseWriter, r *http.Request) error {
	page, size, _, err := c.mux.Page(r, 0)
	if err != nil {
		return err
	}
	values, err := query(r)
	if err != nil {
		return err
	}
	q := store.AuditQuery{Kind: values.Get("kind"), Configuration: true, Page: page, Size: size}
	if _, ok := catalog.ByArm(q.Kind); q.Kind != "" && !ok {
		return constraint("kind", q.Kind, "must be one of "+strings.Join(arms(), ", "))
	}
	for name, into := range map[string]*int64{"from": &q.FromRevision, "to": &q.ToRevision} {
		if values.Has(name) {
			if *into, err = revisionIn(name, values.Get(name)); err != nil {
				return err
			}
		}
	}
	deleted := values.Get("deleted")
	if deleted != "" && deleted != "true" && deleted != "false" {
		return constraint("deleted", deleted, "must be true or false")
	}
	found, total, err := c.editor.Lately(r.Context(), placeOf(r), q, deleted == "true")
	if err != nil {
		return err
	}
	return c.mux.List(w, page, total, versionEntries(found))
}

func arms() []string {
	var all []string
	for _, k := range catalog.All {
		all = append(all, k.Descriptor().Arm)
	}
	return all
}

func (c *collection[R]) readVersion(w http.ResponseWriter, r *http.Request, id string) error {
	revision, err := revisionIn("revision", r.PathValue("revision"))
	if err != nil {
		return err
	}
	found, _, err := editor.ReadAt(r.Context(), c.editor, c.kind, placeOf(r), id, revision)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, found)
}

func (c *collection[R]) diff(w http.ResponseWriter, r *http.Request, id string) error {
	from, err := revisionIn("revision", r.PathValue("revision"))
	if err != nil {
		return err
	}
	values, err := query(r)
	if err != nil {
		return err
	}
	to := int64(editor.Newest)
	if with := values.Get("with"); with != "" && with != "current" {
		if to, err = revisionIn("with", with); err != nil {
			return err
		}
	}
	changes, was, is, err := editor.Differences(r.Context(), c.editor, c.kind, placeOf(r), id, from, to)
	if err != nil {
		return err
	}
	if changes == nil {
		changes = []prototree.Change{}
	}
	return c.mux.JSON(w, http.StatusOK, prototree.Object{"from": was, "to": is, "changes": changes})
}

func (c *collection[R]) restore(w http.ResponseWriter, r *http.Request, id string) error {
	revision, err := revisionIn("revision", r.PathValue("revision"))
	if err != nil {
		return err
	}
	var body prototree.Object
	if r.ContentLength != 0 {
		if body, err = c.mux.Body(r); err != nil {
			return err
		}
	}
	ifMatch, err := precondition(r, func(ctx context.Context) (int64, error) {
		found, err := editor.Read(ctx, c.editor, c.kind, placeOf(r), id)
		return found.GetRevision(), err
	})
	if err != nil {
		return err
	}
	o, _ := operator.From(r.Context())
	put, err := editor.Restore(r.Context(), c.editor, c.kind, placeOf(r), id, revision, body, ifMatch, o.Allows(c.kind.Arm+":create"))
	if err != nil {
		return err
	}
	tree, err := prototree.Management.Encode(put.Resource)
	if err != nil {
		return err
	}
	if c.special.Issued != nil {
		c.special.Issued(tree, put.Issued)
	}
	notice(tree, put.Resource)
	for _, detail := range put.Notices {
		notices, _ := tree[memberNotices].([]any)
		tree[memberNotices] = append(notices, prototree.Object{"path": "", "detail": detail}) // about the whole
	}
	return answerTree(w, http.StatusOK, put.Resource.GetRevision(), tree)
}

// revisionIn reads a revision.
func revisionIn(name, text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 || n == editor.Newest {
		return 0, constraint(name, text, "must be a revision")
	}
	return n, nil
}

func versionEntries(records []*store.AuditRecord) []prototree.Object {
	entries := make([]prototree.Object, len(records))
	for i, a := range records {
		entry := prototree.Object{
			"revision":    a.Revision,
			"at":          a.At.UnixMilli(),
			"action":      a.Action,
			"actor":       actorOf(a),
			"target":      targetOf(a),
			"changeCount": json.Number(strconv.Itoa(int(a.Changed))),
			"audit":       a.ID,
		}
		if a.Previous != 0 {
			entry["previous"] = a.Previous
		}
		if a.CauseKind != "" {
			entry["cause"] = causeOf(a)
		}
		entries[i] = entry
	}
	return entries
}
