package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/document"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/things"
)

const aboutFiles = `A file has documents in YAML or JSON, several with --- between them; a folder is every .yaml, .yml and .json in it; - is
standard input.

  kind: application
  metadata:
    domain: acme         # what it lies in; the flags --domain, --application, ... where it is left out
    name: Payroll        # or id; names are looked up
    revision: 7          # optional: only if nobody has changed it since
  spec:                  # what the management API takes
    name: Payroll
    type: web

What a document leaves out stays as it is, and null takes a member away (RFC 7396); with --replace what is left out is reset.`

func (a *App) apply() *cobra.Command {
	var files, confirm []string
	var secrets string
	var dryRun, replace bool
	c := &cobra.Command{
		Use: "apply -f FILE...", Short: "Make what files describe so", Args: nothing,
		Long: aboutFiles + `

Each document is tried out first, where management can, and written only if something differs, and only if nobody has changed
it in between. Documents are applied in the order in which they are given; the first that fails ends it, and what was applied
before stays. Applying the same files again goes on.

What management shows only once, such as the client secret of a new application or the value of a token, is printed below
the resource that was made; with -o json and -o yaml it stands in the resource, with -o name it is said on standard error. With
--secrets-file it goes to a new file that only you can read, a line of JSON for each resource, and is not printed.`,
		Example: `  gatehousectl apply -f payroll.yaml --dry-run
  gatehousectl apply -f payroll.yaml --secrets-file payroll.secrets
  gatehousectl get group Finance --domain acme -o yaml | gatehousectl apply -f -`,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			documents, c, err := a.documents(files, confirm)
			if err != nil {
				return err
			}
			var keep *secretsFile
			if !dryRun {
				if keep, err = openSecrets(secrets); err != nil {
					return err
				}
				defer func() { err = errors.Join(err, keep.close()) }()
			}
			pending := false
			for i, d := range documents {
				o := things.Options{Replace: replace, Unchecked: !dryRun, Pending: dryRun && pending}
				made, err := a.applyOne(cmd.Context(), c, d, o, dryRun, keep)
				pending = pending || made
				if err != nil {
					return fmt.Errorf("%s: %w%s", d.Source, hint(err), soFar(i, len(documents)))
				}
			}
			return nil
		},
	}
	fileFlags(c, &files, &confirm, &replace)
	c.Flags().BoolVar(&dryRun, "dry-run", false, "run every check and write nothing")
	c.Flags().StringVar(&secrets, "secrets-file", "", "new file for what is shown only once, instead of printing it")
	return c
}

func soFar(applied, of int) string {
	if of == 1 {
		return ""
	}
	return fmt.Sprintf("\n%d of %d documents were applied before it, and stay", applied, of)
}

func fileFlags(c *cobra.Command, files, confirm *[]string, replace *bool) {
	c.Flags().StringSliceVarP(files, "filename", "f", nil, "file, folder, or - for standard input")
	c.Flags().BoolVar(replace, "replace", false, "reset what a document leaves out")
	c.Flags().StringSliceVar(confirm, "confirm", nil, "consequences that are meant, such as opens")
}

// documents reads files and prepares the connection.
func (a *App) documents(files, confirm []string) ([]document.Document, *things.Client, error) {
	if len(files) == 0 {
		return nil, nil, errors.New("which files? Say -f FILE, -f FOLDER, or -f - for standard input")
	}
	documents, err := document.Read(files, a.In)
	if err != nil {
		return nil, nil, err
	}
	c, err := a.client()
	if err != nil {
		return nil, nil, err
	}
	c.Words, c.Confirm = confirm, a.confirm
	for i := range documents {
		for name, value := range a.in() {
			if documents[i].In[name] == "" {
				documents[i].In[name] = value
			}
		}
	}
	return documents, c, nil
}

// applyOne applies a document, and reports whether something is made by it.
func (a *App) applyOne(ctx context.Context, c *things.Client, d document.Document, o things.Options, dryRun bool, keep *secretsFile) (bool, error) {
	p, err := c.Plan(ctx, d, o)
	if err != nil {
		return false, err
	}
	for _, note := range p.Notes {
		if dryRun || p.Action != things.Same && !strings.Contains(note, "unchecked") && !strings.Contains(note, "checked when it is there") {
			say(a.Err, "%s/%s: %s\n", p.Kind.One, p.Name, note)
		}
	}
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if dryRun {
		return p.Action == things.Create, a.printApplied(p, nil, nil, true)
	}
	answer, err := c.Carry(ctx, p)
	if err != nil {
		return false, err
	}
	once := p.Once(answer)
	if keep != nil && len(once) > 0 {
		if err := keep.write(p, answer, once); err != nil {
			err = fmt.Errorf("%s was made, and what is shown only once could not be written, and is printed: %w", p.Kind.One, err)
			return true, errors.Join(a.printApplied(p, answer, once, false), err)
		}
		answer, once = things.Hidden(answer, once), nil
	}
	return p.Action == things.Create, a.printApplied(p, answer, once, false)
}

// printApplied prints what was, or would be, done with a document, and what management shows only this once.
func (a *App) printApplied(p *things.Plan, answer things.Object, once []things.Value, dryRun bool) error {
	switch a.flags.output {
	case "json", "yaml":
		if a.flags.output == "yaml" {
			if _, err := io.WriteString(a.Out, "---\n"); err != nil {
				return err
			}
		}
		return a.printTree(map[string]any{"kind": p.Kind.One, "name": p.Name, "result": p.Action, "dryRun": dryRun, "resource": answer})
	case "name":
		if _, err := fmt.Fprintf(a.Out, "%s/%s\n", p.Kind.One, p.Name); err != nil {
			return err
		}
		if len(once) > 0 {
			say(a.Err, "%s/%s has values that are shown only now:\n%s", p.Kind.One, p.Name, written(answer, once))
		}
		return nil
	}
	_, err := fmt.Fprintf(a.Out, "%s/%s %s%s\n%s", p.Kind.One, p.Name, p.Action, dry(dryRun), written(answer, once))
	return err
}

// written has a line for each value that is shown only once.
func written(answer things.Object, once []things.Value) string {
	var b strings.Builder
	for _, v := range once {
		if id := v.Beside(answer, "clientId"); id != "" {
			fmt.Fprintf(&b, "  clientId: %s\n", id)
		}
		fmt.Fprintf(&b, "  %s: %s  (shown only now)\n", v.Path[strings.LastIndexByte(v.Path, '.')+1:], v.Text)
	}
	return b.String()
}

func (a *App) diff() *cobra.Command {
	var files, confirm []string
	var replace bool
	c := &cobra.Command{
		Use: "diff -f FILE...", Short: "Show what applying files would change", Args: nothing,
		Long: aboutFiles + `

What would be is asked of management by a dry run, which checks everything and writes nothing. Secrets are not shown; one
that a document gives counts as a difference. It ends with 0 where nothing differs, 1 where something does, and 2 where
something went wrong.`,
		Example: "  gatehousectl diff -f payroll.yaml || test $? = 1",
		RunE: func(cmd *cobra.Command, _ []string) error {
			documents, c, err := a.documents(files, confirm)
			if err != nil {
				return err
			}
			differs, pending := false, false
			for _, d := range documents {
				p, err := c.Plan(cmd.Context(), d, things.Options{Replace: replace, Unchecked: true, Pending: pending})
				if err != nil {
					return fmt.Errorf("%s: %w", d.Source, hint(err))
				}
				for _, note := range p.Notes {
					say(a.Err, "%s/%s: %s\n", p.Kind.One, p.Name, note)
				}
				text := p.Diff()
				differs, pending = differs || text != "", pending || p.Action == things.Create
				if _, err := io.WriteString(a.Out, a.coloured(text)); err != nil {
					return err
				}
			}
			if differs {
				return errDiffers
			}
			return nil
		},
	}
	fileFlags(c, &files, &confirm, &replace)
	return c
}

// coloured colours a difference at a terminal.
func (a *App) coloured(text string) string {
	if !a.coloursShown() || text == "" {
		return text
	}
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines {
		colour := ""
		switch {
		case strings.HasPrefix(line, "+"):
			colour = "\x1b[32m"
		case strings.HasPrefix(line, "-"):
			colour = "\x1b[31m"
		case strings.HasPrefix(line, "@@"):
			colour = "\x1b[36m"
		}
		if colour != "" {
			lines[i] = colour + strings.TrimSuffix(line, "\n") + "\x1b[0m\n"
		}
	}
	return strings.Join(lines, "")
}
