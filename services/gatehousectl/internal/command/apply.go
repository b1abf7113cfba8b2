package command

import (
	"context"
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
	var dryRun, replace bool
	c := &cobra.Command{
		Use: "apply -f FILE...", Short: "Make what files describe so", Args: cobra.NoArgs,
		Long: aboutFiles + `

Each document is tried out first, where management can, and written only if something differs, and only if nobody has changed
it in between. Documents are applied in the order in which they are given; the first that fails ends it, and what was applied
before stays. Applying the same files again goes on.

-o json and -o yaml print what management answers, with the secrets it shows this once.`,
		Example: `  gatehousectl apply -f payroll.yaml --dry-run
  gatehousectl apply -f payroll.yaml
  gatehousectl get group Finance --domain acme -o yaml | gatehousectl apply -f -`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			documents, c, err := a.documents(files, confirm)
			if err != nil {
				return err
			}
			pending := false
			for i, d := range documents {
				o := things.Options{Replace: replace, Unchecked: !dryRun, Pending: dryRun && pending}
				made, err := a.applyOne(cmd.Context(), c, d, o, dryRun)
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
	_ = c.MarkFlagRequired("filename")
}

// documents reads files and prepares the connection.
func (a *App) documents(files, confirm []string) ([]document.Document, *things.Client, error) {
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
func (a *App) applyOne(ctx context.Context, c *things.Client, d document.Document, o things.Options, dryRun bool) (bool, error) {
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
	if p.Action == things.Create && p.Kind.Once && a.flags.output != "json" && a.flags.output != "yaml" {
		return false, fmt.Errorf("the value of a %s is shown only when it is made: say -o json or -o yaml, and keep it", p.Kind.One)
	}
	var answer things.Object
	if !dryRun {
		if answer, err = c.Carry(ctx, p); err != nil {
			return false, err
		}
	}
	return p.Action == things.Create, a.printApplied(p, answer, dryRun)
}

func (a *App) printApplied(p *things.Plan, answer things.Object, dryRun bool) error {
	switch a.flags.output {
	case "json", "yaml":
		if a.flags.output == "yaml" {
			if _, err := io.WriteString(a.Out, "---\n"); err != nil {
				return err
			}
		}
		return a.printTree(map[string]any{"kind": p.Kind.One, "name": p.Name, "result": p.Action, "dryRun": dryRun, "resource": answer})
	case "name":
		_, err := fmt.Fprintf(a.Out, "%s/%s\n", p.Kind.One, p.Name)
		return err
	}
	_, err := fmt.Fprintf(a.Out, "%s/%s %s%s\n", p.Kind.One, p.Name, p.Action, dry(dryRun))
	return err
}

func (a *App) diff() *cobra.Command {
	var files, confirm []string
	var replace bool
	c := &cobra.Command{
		Use: "diff -f FILE...", Short: "Show what applying files would change", Args: cobra.NoArgs,
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
