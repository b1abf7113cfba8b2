package transfer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/archive"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
)

// Mux is the management API as far as transfers need it.
type Mux interface {
	Handle(pattern, permission string, handler func(w http.ResponseWriter, r *http.Request) error, o operation.Operation)
	HandleWhole(pattern, permission string, handler func(w http.ResponseWriter, r *http.Request) error, o operation.Operation)
	Body(r *http.Request) (prototree.Object, error)
	Lines(w http.ResponseWriter, r *http.Request) (io.Reader, error)
	AnswerLines(w http.ResponseWriter) (say func(v any) error)
}

const (
	exportDetails = "The answer is a stream of lines; the last one, of kind `end`, proves that it is whole. With a passphrase or a key, secrets " +
		"(keys of certificates, hashes of passwords and client secrets, passwords for other systems) are part of it, sealed; with neither they are left out. " +
		"Sessions, tokens, audit records and e-mails under way are never part of it."
	importDetails = "The body is the archive, in front of it one line with its key: `{\"passphrase\":\"…\"}`. The lines of the answer say what is made, left out " +
		"or wrong, while the rest is being read; the last one says whether everything was made (`done`) or nothing (`refused`). Nothing can be seen before the last " +
		"line of the archive is verified. Where the database fails after that, or somebody makes the same meanwhile, the last line may be `partly`: its counts and its " +
		"message say what was made and stays, and the same archive imported again makes the rest. Who imports needs `domain:create` as well. Read while you send. A line has at most 32 MiB; the archive may have any length."
)

var dangling = operation.Parameter{
	Name: "dangling", Type: "string", Values: []string{"refuse", "keep"},
	Description: "What becomes of resources that name something the archive does not hold: `refuse` (default), or `keep` with a warning.",
}

var rules = operation.Parameter{
	Name: "rules", Type: "string", Values: []string{"refuse", "keep"},
	Description: "What becomes of applications that break a rule which a change of them would break too, such as one that came after them: `refuse` (default), or `keep` " +
		"with a warning. The audit record of the import says so.",
}

// Mount adds exports and imports to the management API.
func (s *Service) Mount(m Mux) {
	h := &routes{s, m}
	m.Handle("POST /domains/{domain}/_export", "domain:export", h.exportDomain, operation.Operation{
		ID: "exportDomain", Summary: "Export a domain as an archive.", Details: exportDetails,
		Body: &managementv1.ArchiveKey{}, BodyOptional: true, AnswerType: operation.NDJSON,
	})
	m.Handle("POST /domains/_import", "domain:import", h.importDomain, operation.Operation{
		ID: "importDomain", Summary: "Import a domain from an archive.",
		Details: importDetails + " Identifiers are kept; a domain that is here already is a conflict.",
		Query: []operation.Parameter{{
			Name: "as", Type: "string",
			Description: "Make a copy with this name, a path that follows from it, and identifiers of its own, beside the original if that is here. " +
				"Client identifiers and subjects stay. The answer tells which identifier became which.",
		}, dangling, rules},
		Body: &managementv1.ArchiveKey{}, BodyType: operation.NDJSON, Stream: true, DryRun: true,
		Answer: &managementv1.ArchiveRecord{}, AnswerType: operation.NDJSON,
	})
	m.HandleWhole("POST /organizations/{organization}/_export", "organization:export", h.exportAll, operation.Operation{
		ID: "exportOrganization", Summary: "Export the whole installation as an archive.",
		Details: exportDetails + " Operators, their roles, memberships and personal tokens come first, then every domain.",
		Body:    &managementv1.ArchiveKey{}, BodyOptional: true, AnswerType: operation.NDJSON,
	})
	m.HandleWhole("POST /organizations/{organization}/_import", "organization:import", h.importAll, operation.Operation{
		ID: "importOrganization", Summary: "Import a whole installation from an archive.",
		Details: importDetails + " Operators, roles and domains that are here already are left out and stay as they are, so an import that was interrupted is begun again; " +
			"memberships and tokens in the archive of an operator who is here are left out too. Operators, roles, memberships and tokens need the permissions that making each of " +
			"them by hand needs, and nobody can give permissions that they do not have. Tokens are left out where the caller uses a personal token, which can not make any.",
		Query: []operation.Parameter{dangling, rules},
		Body:  &managementv1.ArchiveKey{}, BodyType: operation.NDJSON, Stream: true, DryRun: true,
		Answer: &managementv1.ArchiveRecord{}, AnswerType: operation.NDJSON,
	})
}

type routes struct {
	*Service
	mux Mux
}

func placeOf(r *http.Request) editor.Place {
	return editor.Place{Organization: r.PathValue("organization"), Environment: r.PathValue("environment")}
}

func (h *routes) exportDomain(w http.ResponseWriter, r *http.Request) error {
	return h.export(w, r, r.PathValue("domain"))
}

func (h *routes) exportAll(w http.ResponseWriter, r *http.Request) error { return h.export(w, r, "") }

func (h *routes) export(w http.ResponseWriter, r *http.Request, domain string) error {
	ask := new(managementv1.ArchiveKey)
	if r.ContentLength != 0 {
		body, err := h.mux.Body(r)
		if err != nil {
			return err
		}
		if err := prototree.Management.Decode(body, ask); err != nil {
			return err
		}
	}
	key, err := keyOf(ask)
	if err != nil {
		return err
	}
	x, err := h.plan(placeOf(r), domain)
	if err != nil {
		return err
	}
	name := "gatehouse-" + h.Now().UTC().Format("20060102-150405") + ".ndjson"
	about, called := resource.Key{Kind: "organization", ID: r.PathValue("organization")}, r.PathValue("organization")
	if domain != "" {
		d := x.domains[0]
		name, about, called = "gatehouse-"+d.GetHrid()+name[len("gatehouse"):], resource.KeyOf(d), d.GetName()
	}
	w.Header().Set("Content-Type", operation.NDJSON)
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	out := bufio.NewWriterSize(&patientWriter{w, http.NewResponseController(w)}, 64<<10)
	header, err := x.write(r.Context(), key, out)
	if err == nil {
		err = out.Flush()
	}
	h.record(r.Context(), actionExport, about, called, header, err)
	return h.streamed(r, "export", err)
}

// streamed ends an answer that has begun. One that is not whole is broken off, so that nobody takes it for the whole.
func (h *routes) streamed(r *http.Request, what string, err error) error {
	if err == nil && r.Context().Err() == nil {
		return nil
	}
	h.Logger.WarnContext(r.Context(), "archive broken off", "stream", what, "err", err)
	panic(http.ErrAbortHandler)
}

// patience is how long an export waits for somebody who does not read.
const patience = time.Minute

type patientWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

// Write implements io.Writer.
func (p *patientWriter) Write(b []byte) (int, error) {
	_ = p.control.SetWriteDeadline(time.Now().Add(patience))
	return p.ResponseWriter.Write(b)
}

func (h *routes) importDomain(w http.ResponseWriter, r *http.Request) error {
	return h.imported(w, r, archive.ScopeDomain, strings.TrimSpace(r.URL.Query().Get("as")))
}

func (h *routes) importAll(w http.ResponseWriter, r *http.Request) error {
	r.SetPathValue("environment", environment)
	return h.imported(w, r, archive.ScopeInstallation, "")
}

// environment is the one there is.
const environment = "DEFAULT"

// maxName bounds the name of a copy, in bytes.
const maxName = 100

func (h *routes) imported(w http.ResponseWriter, r *http.Request, scope, as string) error {
	wanted := wish{at: placeOf(r), as: as, dry: editor.DryRun(r.Context())}
	for name, keep := range map[string]*bool{dangling.Name: &wanted.dangling, rules.Name: &wanted.rules} {
		switch r.URL.Query().Get(name) {
		case "", "refuse":
		case "keep":
			*keep = true
		default:
			return fault.Invalidf("%s must be refuse or keep", name).At(name, "must be one of refuse, keep")
		}
	}
	if len(as) > maxName {
		return fault.Invalidf("The name of the copy is too long").At("as", "size must be at most 100")
	}
	lines, err := h.mux.Lines(w, r)
	if err != nil {
		return err
	}
	in, err := open(lines)
	if err != nil {
		return whole(err)
	}
	if in.Header().Scope != scope {
		return fault.Invalidf("This is the archive of %s", map[string]string{
			archive.ScopeDomain: "a domain. Import it at …/domains/_import", archive.ScopeInstallation: "an installation. Import it at …/organizations/{organization}/_import",
		}[in.Header().Scope])
	}
	if scope == archive.ScopeDomain && as == "" {
		if _, err := editor.Read(r.Context(), h.Editor, catalog.Domains, wanted.at, in.Header().Domain.ID); err == nil {
			return fault.Conflictf("Domain [%s] is here already. Import it as a copy, or delete it first", in.Header().Domain.ID)
		} else if !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	answer := h.mux.AnswerLines(w)
	im := &importer{Service: h.Service, wish: wanted, in: in, say: func(one *managementv1.ArchiveRecord) error {
		tree, err := prototree.Management.Encode(one)
		if err != nil {
			return err
		}
		return answer(tree)
	}}
	err = im.run(r.Context())
	if err != nil && fault.KindOf(err) == fault.Internal && r.Context().Err() == nil {
		h.Logger.ErrorContext(r.Context(), "import failed", "archive", in.Header().ID, "err", err)
	}
	about := resource.Key{Kind: "organization", ID: r.PathValue("organization")}
	if !wanted.dry && (scope == archive.ScopeInstallation || err != nil) {
		h.record(context.WithoutCancel(r.Context()), actionImport, about, r.PathValue("organization"), in.Header(), err, wanted.kept()...)
	}
	if said := im.say(im.last(err)); said != nil {
		return h.streamed(r, "import", said)
	}
	return nil
}

// maxKeyLine bounds the line with the key, in bytes.
const maxKeyLine = 4 << 10

// open begins to read an archive, whose key may stand in a line before it.
func open(lines io.Reader) (*archive.Reader, error) {
	in := bufio.NewReaderSize(lines, 64<<10)
	start, err := in.Peek(1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	key := archive.Key{}
	if len(start) > 0 {
		first, err := in.Peek(maxKeyLine)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if line, _, ended := bytes.Cut(first, []byte("\n")); ended && !bytes.Contains(line, []byte(`"format"`)) {
			body, err := prototree.Parse(line)
			if err != nil {
				return nil, fault.Invalidf("The first line must be the key or the first line of an archive")
			}
			ask := new(managementv1.ArchiveKey)
			if err := prototree.Management.Decode(body, ask); err != nil {
				return nil, catalog.TreeError(err)
			}
			if key, err = keyOf(ask); err != nil {
				return nil, err
			}
			if _, err := in.Discard(len(line) + 1); err != nil {
				return nil, err
			}
		}
	}
	return archive.NewReader(in, key)
}
