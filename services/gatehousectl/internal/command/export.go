package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/gatehouse-am/gatehouse/pkg/archive"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/client"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/api"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/kinds"
)

// export is what is asked for of an archive that is taken.
type export struct {
	file                      string
	all, bare, replace, quiet bool
	key                       keyFiles
}

func (a *App) export() *cobra.Command {
	var x export
	c := &cobra.Command{
		Use: "export", Short: "Take a domain, or everything, out as an archive", Args: nothing,
		Long: `Take a domain out as an archive, or with --all the whole installation: configuration, people, groups, links, consents, pictures
and keys. Sessions, tokens, audit records and statistics are no part of it.

` + aboutKeys + `
--without-secrets leaves them out.

The archive is verified while it arrives. It gets its name when the last line is there and true: a file that is there is
whole. What breaks off ends with 2 and leaves no file. Without -f it goes to the standard output; whoever reads that finds
out from the status, and from the last line, whether it is whole.`,
		Example: `  gatehousectl export --domain acme -f acme.ndjson --passphrase-file archive-passphrase.txt
  gatehousectl export --domain acme --without-secrets | gzip > acme-without-secrets.ndjson.gz
  gatehousectl export --all -f everything.ndjson --passphrase-file archive-passphrase.txt`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.exported(cmd.Context(), x) },
	}
	c.Flags().StringVarP(&x.file, "file", "f", "", "where to; - and nothing are the standard output")
	c.Flags().BoolVar(&x.all, "all", false, "the whole installation: operators and every domain")
	c.Flags().BoolVar(&x.bare, "without-secrets", false, "leave secrets out, and need no key")
	c.Flags().BoolVar(&x.replace, "replace", false, "replace a file that is there")
	c.Flags().BoolVar(&x.quiet, "quiet", false, "show no progress")
	x.key.flags(c)
	_ = c.MarkFlagFilename("file", "ndjson")
	_ = c.MarkFlagFilename("passphrase-file")
	_ = c.MarkFlagFilename("key-file")
	return c
}

func (a *App) exported(ctx context.Context, x export) error {
	toFile := x.file != "" && x.file != "-"
	if !toFile {
		if f, ok := a.Out.(*os.File); ok && term.IsTerminal(int(f.Fd())) { //nolint:gosec // a descriptor is no large number
			return errors.New("an archive is not for the screen; say where to: -f FILE")
		}
	} else if _, err := os.Lstat(x.file); err == nil && !x.replace {
		return thereAlready(x.file)
	}
	if x.bare && (x.key.passphrase != "" || x.key.key != "") {
		return errors.New("--without-secrets needs no key; leave one of them out")
	}
	send, about, conn, err := a.exporting(ctx, x.all) //nolint:bodyclose // it sends nothing yet; Flow closes what comes
	if err != nil {
		return err
	}
	var key archiveKey
	if !x.bare {
		if key, err = a.archiveKey(x.key, true); err != nil {
			if errors.Is(err, errNoKey) {
				err = fmt.Errorf("%w\nWithout secrets none is needed: --without-secrets", err)
			}
			return err
		}
	}
	flow := conn.Flow(ctx)
	defer flow.Close()
	open := func() (io.ReadCloser, error) {
		return flow.Send(func(ctx context.Context) (*http.Response, error) { return send(ctx, key.sent) })
	}
	shown := a.progress(about, x.quiet)
	if !toFile {
		taken, err := take(open, key.Key, a.Out, shown)
		if err != nil {
			return fmt.Errorf("%s is not whole: %w", about, err)
		}
		say(a.Err, "%s\n", taken.said("the standard output"))
		return nil
	}
	var taken *taken
	err = whole(x.file, x.replace, func(w io.Writer) (err error) {
		taken, err = take(open, key.Key, w, shown)
		return err
	})
	if err != nil {
		return err
	}
	if a.flags.output == "json" || a.flags.output == "yaml" {
		return a.printTree(taken.tree(x.file))
	}
	say(a.Out, "%s\n", taken.said(x.file))
	return nil
}

// exporting finds what is to be exported, and the operation for it.
func (a *App) exporting(ctx context.Context, all bool) (func(ctx context.Context, key client.ArchiveKey) (*http.Response, error), string, *api.Conn, error) {
	c, err := a.client()
	if err != nil {
		return nil, "", nil, err
	}
	if all {
		organization, err := c.Place(ctx, &kinds.Kind{Path: "/organizations/{organization}/_export"}, nil)
		if err != nil {
			return nil, "", nil, err
		}
		return func(ctx context.Context, key client.ArchiveKey) (*http.Response, error) {
			return c.Conn.ExportOrganization(ctx, organization[0], key)
		}, "the installation", c.Conn, nil
	}
	if a.in()["domain"] == "" {
		return nil, "", nil, errors.New("which domain? Say --domain, or --all for everything")
	}
	at, err := c.Place(ctx, &kinds.Kind{Path: "/domains/{domain}/_export"}, a.in())
	if err != nil {
		return nil, "", nil, err
	}
	return func(ctx context.Context, key client.ArchiveKey) (*http.Response, error) {
		return c.Conn.ExportDomain(ctx, at[0], key)
	}, "domain " + a.in()["domain"], c.Conn, nil
}

// taken is an archive that was verified to its end.
type taken struct {
	archive.Header
	counts  map[string]int64
	records int64
	bytes   int64
}

func (t *taken) said(to string) string {
	what := "the installation"
	if t.Domain != nil {
		what = "domain/" + t.Domain.Name
	}
	return fmt.Sprintf("%s exported to %s: revision %d, secrets %s, %s, %s", what, to, t.Revision, t.Secrets, counted(t.counts), size(t.bytes))
}

func (t *taken) tree(file string) map[string]any {
	tree := map[string]any{
		"file": file, "archive": t.ID, "scope": t.Scope, "secrets": t.Secrets, "madeAt": t.MadeAt, "revision": t.Revision,
		"counts": t.counts, "bytes": t.bytes,
	}
	if t.Domain != nil {
		tree["domain"] = map[string]any{"id": t.Domain.ID, "name": t.Domain.Name, "path": t.Domain.Path}
	}
	return tree
}

// take reads an archive to its end, verifies every line, and writes it as it comes.
func take(open func() (io.ReadCloser, error), key archive.Key, to io.Writer, shown *progress) (*taken, error) {
	body, err := open()
	if err != nil {
		return nil, err
	}
	defer body.Close()
	defer shown.end()
	in, err := archive.NewReader(io.TeeReader(body, io.MultiWriter(to, shown)), key)
	if err != nil {
		return nil, err
	}
	var n int64
	for {
		_, err := in.Next()
		if errors.Is(err, io.EOF) {
			return &taken{in.Header(), in.Counts(), n, shown.bytes}, nil
		}
		if err != nil {
			return nil, err
		}
		n++
		shown.at(n)
	}
}

func thereAlready(file string) error {
	return fmt.Errorf("%s is there already; replace it with --replace, or say another name", file)
}

// whole writes a file that appears when it is whole, or not at all: under another name beside it until then. Only its owner
// may read it.
func whole(file string, replace bool, write func(w io.Writer) error) (err error) {
	dir, base := filepath.Split(file)
	if dir == "" {
		dir = "."
	}
	f, err := os.CreateTemp(dir, "."+base+".*.part") // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignore(f.Close(), os.ErrClosed), ignore(os.Remove(f.Name()), fs.ErrNotExist))
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if replace {
		if err := os.Rename(f.Name(), file); err != nil {
			return err
		}
		return synced(dir)
	}
	// A link fails where the name is taken by now. Where the file system has none, the name is looked at and taken.
	err = os.Link(f.Name(), file)
	switch {
	case err == nil:
		if err := os.Remove(f.Name()); err != nil {
			return err
		}
		return synced(dir)
	case errors.Is(err, fs.ErrExist):
		return thereAlready(file)
	}
	if _, there := os.Lstat(file); there == nil {
		return thereAlready(file)
	}
	if err := os.Rename(f.Name(), file); err != nil {
		return err
	}
	return synced(dir)
}

func ignore(err, known error) error {
	if errors.Is(err, known) {
		return nil
	}
	return err
}

// synced makes a new name survive a power failure, where folders can be synced.
func synced(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the user names it
	if err != nil {
		return nil //nolint:nilerr // it was written to; whoever may not read it may not sync it
	}
	_ = d.Sync()
	return d.Close()
}
