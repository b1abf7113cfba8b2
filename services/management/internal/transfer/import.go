package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/archive"
	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	directoryv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/directory/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// wish is how an import is asked for.
type wish struct {
	at editor.Place
	// as is the name of a copy; empty keeps name and identifiers.
	as string
	// dangling takes resources that name what is not there.
	dangling bool
	// rules takes applications that break a rule which a change of them would break too.
	rules bool
	dry   bool
}

// kept are the parameters that take what would be refused.
func (w wish) kept() []string {
	var names []string
	if w.dangling {
		names = append(names, dangling.Name)
	}
	if w.rules {
		names = append(names, rules.Name)
	}
	return names
}

// importer is one import.
type importer struct {
	*Service
	wish
	in  *archive.Reader
	say func(*managementv1.ArchiveRecord) error

	line    int64
	section *section
	done    []*section
	// operators are what an installation has beside domains, and plan is what is made of them.
	operators []store.Kept
	plan      *operator.Restoration
	// counts are what is, or would be, made, and stands what was.
	counts, stands map[string]int64
	refused        bool
	// unknown is the domain of which nobody can say whether it was made.
	unknown string
	// taken is what domains of the archive have that only one may have.
	taken map[[16]byte]bool
	// beaten is when the leases were prolonged.
	beaten time.Time
}

// errRefused says that something is wrong with an archive, and has been told.
var errRefused = fault.Invalidf("The archive was refused: nothing was imported")

// run reads the archive to its end and makes what it holds, or nothing. What is wrong is told; the error is what the last line says,
// and nil where everything was made.
func (im *importer) run(ctx context.Context) (err error) {
	im.counts, im.stands, im.taken = map[string]int64{}, map[string]int64{}, map[[16]byte]bool{}
	defer func() {
		if im.section != nil {
			im.done = append(im.done, im.section)
		}
		for _, sec := range im.done {
			sec.end(ctx, im.Service)
		}
	}()
	for {
		record, err := im.in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return whole(err)
		}
		im.line = record.N + 1
		if err := im.record(ctx, record); err != nil {
			return err
		}
	}
	im.line = 0
	if err := im.finish(ctx); err != nil {
		return err
	}
	if err := im.planOperators(ctx); err != nil {
		return err
	}
	if im.refused {
		return errRefused
	}
	return im.commit(ctx)
}

// whole gives what is wrong with the stream itself its kind.
func whole(err error) error {
	for _, known := range []error{
		archive.ErrFormat, archive.ErrDamaged, archive.ErrCutOff, archive.ErrWrongKey, archive.ErrKeyNeeded, archive.ErrNotSealed, archive.ErrKey,
	} {
		if errors.Is(err, known) {
			return fault.Invalidf("%s", capital(err.Error())).Because(err)
		}
	}
	return err
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// alive prolongs the leases of all domains now and then: what was read of the first one waits for the last line.
func (im *importer) alive(ctx context.Context) error {
	now := im.Now()
	if now.Sub(im.beaten) < leaseEvery {
		return nil
	}
	for _, sec := range append(im.done[:len(im.done):len(im.done)], im.section) {
		if sec == nil {
			continue
		}
		if err := sec.alive(ctx, im.Service); err != nil {
			return err
		}
	}
	im.beaten = now
	return nil
}

// record takes one record.
func (im *importer) record(ctx context.Context, r archive.Record) error {
	if err := im.alive(ctx); err != nil {
		return err
	}
	if _, ok := catalog.ByArm(r.Kind); ok {
		return im.configuration(ctx, r)
	}
	if installed(r.Kind) {
		return im.operator(r)
	}
	if im.section == nil {
		return fault.Invalidf("Line %d: a %.40q before any domain", im.line, r.Kind)
	}
	if !im.section.checked {
		if err := im.section.check(ctx, im); err != nil {
			return err
		}
	}
	if r.Kind == kindUser {
		return im.section.user(ctx, im, r)
	}
	return im.section.kept(ctx, im, r)
}

func (im *importer) configuration(ctx context.Context, r archive.Record) error {
	one := resource.New(r.Kind)
	if err := prototree.Archive(im.in.Sealer()).Decode(r.Data, one); err != nil {
		return im.refuse(&managementv1.ArchiveRecord{Kind: r.Kind, Id: textOf(r.Data["id"])}, unreadable(err))
	}
	if d, ok := one.(*configv1.Domain); ok {
		if im.in.Header().Scope == archive.ScopeDomain && (im.section != nil || d.GetId() != im.in.Header().Domain.ID) {
			return fault.Invalidf("Line %d: another domain than the archive says", im.line)
		}
		if err := im.finish(ctx); err != nil {
			return err
		}
		im.section = &section{
			original: d.GetId(), lines: map[string]int64{}, people: map[[16]byte]bool{}, names: map[[16]byte]bool{}, counts: map[string]int64{},
		}
		if im.as != "" {
			im.section.copy = newCopying(im.in.Header().ID, im.as, d.GetId())
		}
	}
	sec := im.section
	if sec == nil || sec.checked {
		return fault.Invalidf("Line %d: a %s must come after its domain and before the people", im.line, r.Kind)
	}
	if err := sec.rest.Add(one); err != nil {
		return im.refuse(&managementv1.ArchiveRecord{Kind: r.Kind, Id: one.GetId()}, err)
	}
	sec.lines[r.Kind+"/"+one.GetId()] = im.line
	return nil
}

// unreadable says why a record cannot be read: its members, or its secrets.
func unreadable(err error) error {
	if said := catalog.TreeError(err); fault.KindOf(said) != fault.Internal {
		return said
	}
	return fault.Invalidf("A secret cannot be opened: it was sealed in another place or under another key").Because(err)
}

// finish ends the domain that was read last.
func (im *importer) finish(ctx context.Context) error {
	sec := im.section
	if sec == nil {
		return nil
	}
	if !sec.checked {
		if err := sec.check(ctx, im); err != nil {
			return err
		}
	}
	if err := sec.flush(ctx, im); err != nil {
		return err
	}
	im.done, im.section = append(im.done, sec), nil
	return sec.orphans(im)
}

// commit makes visible what was read.
func (im *importer) commit(ctx context.Context) error {
	if im.dry {
		return nil
	}
	ctx = context.WithoutCancel(ctx) // everything is here and verified; whoever hangs up now finds it done
	im.beaten = time.Time{}          // no step has taken too long until here
	if err := im.alive(ctx); err != nil {
		return err
	}
	for _, sec := range im.done {
		if sec.skipped {
			continue
		}
		err := im.commitDomain(ctx, sec)
		d := sec.rest.Domain()
		im.Service.record(ctx, actionImport, resource.KeyOf(d), d.GetName(), im.in.Header(), err, im.wish.kept()...)
		if err != nil {
			return fmt.Errorf("domain %s: %w", d.GetId(), err)
		}
		sec.committed = true
		for kind, n := range sec.counts {
			im.stands[kind] += n
		}
	}
	if im.plan == nil {
		return nil
	}
	// Operators come last: whoever is here stays as they are when an import is begun again, and would not get what was to follow.
	return im.plan.Make(ctx, func(kind string) { im.stands[kind]++ })
}

// commitDomain makes a domain. Where it is not known whether the last step succeeded, the database is asked.
func (im *importer) commitDomain(ctx context.Context, sec *section) error {
	failed := im.Editor.Restore(ctx, &sec.rest, func() error { return im.alive(ctx) })
	if failed == nil {
		return nil
	}
	id := sec.rest.Domain().GetId()
	_, err := store.Get(ctx, im.Store, catalog.Domains, id)
	switch {
	case err == nil && sec.held: // nobody else can have made it
		im.Logger.WarnContext(ctx, "a domain was imported although its last step failed", "domain", id, "err", failed)
		return nil
	case err != nil && !errors.Is(err, store.ErrNotFound):
		im.unknown = id
	}
	return failed
}

// refuse tells what cannot be taken. The rest of the archive is looked at all the same.
func (im *importer) refuse(at *managementv1.ArchiveRecord, why error) error {
	if k := fault.KindOf(why); k == fault.Internal || k == fault.Unavailable {
		return why
	}
	im.refused = true
	at.Status = managementv1.ArchiveRecord_FAILED
	return im.tell(at, why)
}

// tell says something of a record.
func (im *importer) tell(at *managementv1.ArchiveRecord, why error) error {
	if at.Line == 0 {
		at.Line = im.line
	}
	if why != nil {
		body := fault.BodyOf(why)
		at.Message = body.Message
		for _, d := range body.Errors {
			at.Errors = append(at.Errors, &managementv1.UserFieldError{Path: d.Path, Detail: d.Detail})
		}
	}
	return im.say(at)
}

func textOf(v any) string {
	s, _ := v.(string)
	return s
}

// last is the line that says what became of the whole.
func (im *importer) last(err error) *managementv1.ArchiveRecord {
	if err == nil {
		return &managementv1.ArchiveRecord{Status: managementv1.ArchiveRecord_DONE, Counts: maps.Clone(im.counts)}
	}
	body := fault.BodyOf(err)
	last := &managementv1.ArchiveRecord{Status: managementv1.ArchiveRecord_REFUSED, Message: body.Message}
	for _, d := range body.Errors {
		last.Errors = append(last.Errors, &managementv1.UserFieldError{Path: d.Path, Detail: d.Detail})
	}
	if im.unknown != "" {
		last.Message += fmt.Sprintf(". Whether domain [%s] was made is not known", im.unknown)
	} else if len(im.stands) == 0 {
		return last
	}
	last.Status, last.Counts = managementv1.ArchiveRecord_PARTLY, im.stands
	made := "no domain"
	var ids []string
	for _, sec := range im.done {
		if sec.committed {
			ids = append(ids, "["+sec.rest.Domain().GetId()+"]")
		}
	}
	if n := len(ids); n > mostNamed {
		ids = append(ids[:mostNamed:mostNamed], fmt.Sprintf("and %d more", n-mostNamed))
	}
	if len(ids) > 0 {
		made = "domains " + strings.Join(ids, ", ")
	}
	last.Message += ". What was made before stays: " + made + ", and what counts says. Import the archive again for the rest"
	return last
}

// mostNamed is how many domains a message names.
const mostNamed = 20

// copied returns a resource with the identifiers of a copy.
func (c *copying) copied(original string, r resource.Resource) resource.Resource {
	fresh := proto.Clone(r).(resource.Resource)
	c.message(original, fresh.ProtoReflect())
	if u, ok := fresh.(*directoryv1.User); ok {
		u.Id = c.of(original, r.GetId())
	}
	return fresh
}
