package command

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-am/gatehouse/pkg/archive"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/client"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/api"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/kinds"
)

// settling is how long management may say nothing after the whole archive was sent: it stores what it has read.
const settling = 15 * time.Minute

// imported is what is asked for of an archive that is brought in.
type imported struct {
	file, as                    string
	dry, dangling, rules, quiet bool
	key                         keyFiles
}

func (a *App) imports() *cobra.Command {
	var im imported
	c := &cobra.Command{
		Use: "import", Short: "Bring a domain, or everything, in from an archive", Args: nothing,
		Long: `Bring in what export took out: a domain with its identifiers, or the whole installation; the archive says which. Nothing can
be seen before the last line is verified, here and by management, and either everything is made or nothing; where management's
database fails after that, what was made stays, and is said. What is there already is never changed: a domain that is there is a conflict, unless --as makes a copy with another name and identifiers of
its own; of an installation what is there is left out. An import that was interrupted is begun again.

` + aboutKeys + `

It prints what was left out and what is wrong; -o json prints every line of management's answer, with what became of each
resource.`,
		Example: `  gatehousectl import -f acme.ndjson --as 'Acme two' --passphrase-file archive-passphrase.txt --dry-run
  gatehousectl import -f acme.ndjson --as 'Acme two' --passphrase-file archive-passphrase.txt
  gunzip -c acme-without-secrets.ndjson.gz | gatehousectl import -f - --as 'Acme three'`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.imported(cmd.Context(), im) },
	}
	c.Flags().StringVarP(&im.file, "file", "f", "", "the archive; - is the standard input")
	c.Flags().StringVar(&im.as, "as", "", "make a copy of a domain with this name")
	c.Flags().BoolVar(&im.dangling, "keep-dangling", false, "take resources that name what is not in the archive, with a warning")
	c.Flags().BoolVar(&im.rules, "keep-rules", false, "take applications that break a rule, with a warning; the audit record says so")
	c.Flags().BoolVar(&im.dry, "dry-run", false, "run every check and make nothing")
	c.Flags().BoolVar(&im.quiet, "quiet", false, "show no progress")
	im.key.flags(c)
	_ = c.MarkFlagFilename("file", "ndjson")
	_ = c.MarkFlagFilename("passphrase-file")
	_ = c.MarkFlagFilename("key-file")
	return c
}

func (a *App) imported(ctx context.Context, im imported) error {
	var in io.Reader = a.In
	if im.file == "" {
		return errors.New("which archive? Say -f FILE, or -f - for standard input")
	}
	if im.file == "-" {
		if im.key.readsInput() {
			return errors.New("the archive and its key can not both come from the standard input")
		}
	} else {
		f, err := os.Open(im.file)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	buffered := bufio.NewReaderSize(in, 64<<10)
	header, err := headerOf(buffered)
	if err != nil {
		return fmt.Errorf("%s: %w", im.file, err)
	}
	var key archiveKey
	if given := im.key != (keyFiles{}) || a.Getenv(passphraseVariable) != "" || a.Getenv(keyVariable) != ""; given || header.Secrets == archive.Sealed {
		if key, err = a.archiveKey(im.key, false); err != nil {
			return err
		}
	}
	send, conn, err := a.importing(ctx, header, im) //nolint:bodyclose // it sends nothing yet; Flow closes what comes
	if err != nil {
		return err
	}
	line, err := key.line()
	if err != nil {
		return err
	}
	return a.bring(ctx, conn, &sending{
		file: im.file, key: key.Key, in: buffered, first: line, shown: a.progress(im.file, im.quiet), send: send, dry: im.dry,
	})
}

// headerOf looks at the first line of an archive without taking it.
func headerOf(in *bufio.Reader) (archive.Header, error) {
	var h archive.Header
	start, err := in.Peek(in.Size())
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return h, err
	}
	line, _, _ := bytes.Cut(start, []byte("\n"))
	if json.Unmarshal(line, &h) != nil || h.Format != "gatehouse-archive" {
		return h, errors.New("its first line is none of an archive, such as gatehousectl export writes")
	}
	return h, nil
}

// importing finds the operation for an archive.
func (a *App) importing(ctx context.Context, h archive.Header, im imported) (func(ctx context.Context, body io.Reader) (*http.Response, error), *api.Conn, error) {
	if h.Scope != archive.ScopeDomain && im.as != "" {
		return nil, nil, errors.New("--as makes a copy of a domain, and this is the archive of an installation")
	}
	c, err := a.client()
	if err != nil {
		return nil, nil, err
	}
	const keep = "keep"
	if h.Scope == archive.ScopeDomain {
		params := &client.ImportDomainParams{}
		if im.as != "" {
			params.As = &im.as
		}
		if im.dry {
			params.DryRun = &im.dry
		}
		if im.dangling {
			word := client.ImportDomainParamsDangling(keep)
			params.Dangling = &word
		}
		if im.rules {
			word := client.ImportDomainParamsRules(keep)
			params.Rules = &word
		}
		return func(ctx context.Context, body io.Reader) (*http.Response, error) {
			return c.Conn.ImportDomainWithBody(ctx, params, "application/x-ndjson", body)
		}, c.Conn, nil
	}
	organization, err := c.Place(ctx, &kinds.Kind{Path: "/organizations/{organization}/_import"}, nil)
	if err != nil {
		return nil, nil, err
	}
	params := &client.ImportOrganizationParams{}
	if im.dry {
		params.DryRun = &im.dry
	}
	if im.dangling {
		word := client.ImportOrganizationParamsDangling(keep)
		params.Dangling = &word
	}
	if im.rules {
		word := client.ImportOrganizationParamsRules(keep)
		params.Rules = &word
	}
	return func(ctx context.Context, body io.Reader) (*http.Response, error) {
		return c.Conn.ImportOrganizationWithBody(ctx, organization[0], params, "application/x-ndjson", body)
	}, c.Conn, nil
}

// sending is an archive on its way.
type sending struct {
	file  string
	key   archive.Key
	in    io.Reader
	first []byte
	shown *progress
	send  func(ctx context.Context, body io.Reader) (*http.Response, error)
	dry   bool
	// domains are what was made, if everything is.
	domains []client.ArchiveRecord
	// wrong is what was found wrong with the archive here, once the body is closed.
	wrong error
	sent  bool
}

// run verifies the archive line by line and writes it to the body. What is wrong breaks the body off, so that management makes nothing.
func (s *sending) run(flow *api.Flow, body *io.PipeWriter) {
	err := func() error {
		if _, err := body.Write(s.first); err != nil {
			return err
		}
		in, err := archive.NewReader(io.TeeReader(s.in, io.MultiWriter(body, s.shown)), s.key)
		if err != nil {
			return err
		}
		for n := int64(1); ; n++ {
			_, err := in.Next()
			if errors.Is(err, io.EOF) {
				s.sent = true
				flow.Allow(settling)
				return nil
			}
			if err != nil {
				return err
			}
			s.shown.at(n)
		}
	}()
	s.shown.end()
	if err != nil && !errors.Is(err, io.ErrClosedPipe) {
		s.wrong = err
	}
	_ = body.CloseWithError(err)
}

// bring sends an archive and prints what management says of it.
func (a *App) bring(ctx context.Context, conn *api.Conn, s *sending) error {
	flow := conn.Flow(ctx)
	defer flow.Close()
	read, write := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.run(flow, write)
	}()
	answer, err := flow.Send(func(ctx context.Context) (*http.Response, error) { return s.send(ctx, flow.Watch(read)) })
	var last *client.ArchiveRecord
	if err == nil {
		last, err = a.answered(answer, s)
		_ = answer.Close()
	}
	_ = read.CloseWithError(io.ErrClosedPipe) // whoever still sends is told that nobody reads
	<-done
	var p *api.Problem
	switch {
	case s.wrong != nil && ctx.Err() == nil && !errors.As(err, &p):
		return fmt.Errorf("%s: %w\nNothing was imported", s.file, s.wrong)
	case err != nil && s.sent && !s.dry && !errors.As(err, &p):
		return fmt.Errorf("%w\nIt is not known whether the import was made; begin it again: what is there already is never changed", err)
	case err != nil:
		return err
	}
	return a.concluded(last, s)
}

// answered prints the lines of an answer as they come, and returns the last one.
func (a *App) answered(answer io.Reader, s *sending) (*client.ArchiveRecord, error) {
	lines := bufio.NewReaderSize(answer, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil, errors.New("management's answer ends without saying what became of the import")
		}
		if err != nil {
			return nil, err
		}
		var r client.ArchiveRecord
		if err := json.Unmarshal(line, &r); err != nil || r.Status == nil {
			return nil, fmt.Errorf("management answers with a line that is not known: %.100q", line)
		}
		if a.flags.output == "json" {
			if _, err := a.Out.Write(line); err != nil {
				return nil, err
			}
		}
		switch *r.Status {
		case client.ArchiveRecordStatusDone, client.ArchiveRecordStatusRefused, client.ArchiveRecordStatusPartly:
			return &r, nil
		case client.ArchiveRecordStatusCreated:
			if said(r.Kind) == "domain" {
				s.domains = append(s.domains, r)
			}
			continue
		}
		if a.flags.output != "json" {
			say(a.Out, "%s\n", recorded(&r))
		}
	}
}

// recorded says for people what became of a line of the archive.
func recorded(r *client.ArchiveRecord) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s/%s", *r.Status, said(r.Kind), first(said(r.Name), said(r.Id), "?"))
	if r.Line != nil && *r.Line > 0 {
		fmt.Fprintf(&b, " (line %d)", *r.Line)
	}
	if said(r.Message) != "" {
		b.WriteString(": " + said(r.Message))
	}
	for _, e := range r.Errors {
		fmt.Fprintf(&b, "\n  %s: %s", said(e.Path), said(e.Detail))
	}
	return b.String()
}

// concluded says what became of the whole.
func (a *App) concluded(last *client.ArchiveRecord, s *sending) error {
	if *last.Status != client.ArchiveRecordStatusDone {
		var b strings.Builder
		b.WriteString(first(said(last.Message), "The archive was refused"))
		for _, e := range last.Errors {
			fmt.Fprintf(&b, "\n  %s: %s", said(e.Path), said(e.Detail))
		}
		return errors.New(b.String())
	}
	if a.flags.output == "json" {
		return nil
	}
	made := "imported"
	if s.dry {
		made = "would be imported"
	}
	for _, d := range s.domains {
		id := said(d.Id)
		if was := said(d.Was); was != "" {
			id += ", which was " + was
		}
		say(a.Out, "domain/%s %s: id %s\n", said(d.Name), made, id)
	}
	say(a.Out, "%s %s%s\n", counted(last.Counts), made, dry(s.dry))
	return nil
}

// said is a member that may be missing.
func said(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
