package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/api"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/document"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/kinds"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/table"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/things"
)

func (a *App) kinds() *cobra.Command {
	return &cobra.Command{
		Use: "kinds", Short: "List what can be read and written", Args: nothing, Example: "  gatehousectl kinds",
		RunE: func(*cobra.Command, []string) error {
			t := table.Table{Columns: []string{"KIND", "SINGULAR", "LIES IN", "CAN BE", "WHAT IT IS"}}
			trees := []any{}
			for _, k := range kinds.All {
				lies := strings.Join(k.Parents(), ", ")
				t.Rows = append(t.Rows, []string{k.Name, k.One, first(lies, "-"), verbs(k), k.About})
				trees = append(trees, map[string]any{"kind": k.Name, "singular": k.One, "in": lies, "verbs": verbs(k), "about": k.About})
			}
			return a.print(t, trees, func(i int) string { return kinds.All[i].Name })
		},
	}
}

// noKind is said where the kind is missing.
const noKind = "which kind? `gatehousectl kinds` lists what there is"

func verbs(k *kinds.Kind) string {
	var can []string
	if k.Create != nil || k.ReplaceAll != nil || k.Add != nil {
		can = append(can, "made")
	}
	if k.Patch != nil || k.Replace != nil {
		can = append(can, "changed")
	}
	if k.Delete != nil {
		can = append(can, "deleted")
	}
	if can == nil {
		return "read"
	}
	return strings.Join(can, ", ")
}

// print prints rows in the format that was asked for.
func (a *App) print(t table.Table, trees []any, name func(i int) string) error {
	switch a.flags.output {
	case "table":
		return t.Write(a.Out, a.width())
	case "name":
		for i := range t.Rows {
			say(a.Out, "%s\n", name(i))
		}
		return nil
	}
	return a.printTree(trees)
}

func (a *App) list() *cobra.Command {
	var search string
	var limit int
	c := &cobra.Command{
		Use: "list KIND", Short: "List what there is of a kind", Args: between(1, 1, noKind), ValidArgsFunction: a.completeKinds,
		Example: `  gatehousectl list domains
  gatehousectl list applications --domain acme --search 'Pay*'
  gatehousectl list bindings --domain acme --application Payroll -o json
  gatehousectl list users --domain acme -o name`,
		RunE: func(cmd *cobra.Command, args []string) error {
			k, at, c, err := a.place(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if k.Singleton {
				return fmt.Errorf("there is one of %s: gatehousectl get %s", k.Name, k.Name)
			}
			entries, err := c.List(cmd.Context(), k, at, search, limit)
			if err != nil {
				return err
			}
			return a.printThings(k, entries)
		},
	}
	c.Flags().StringVarP(&search, "search", "q", "", "only what matches, in any case; * stands for any text")
	c.Flags().IntVar(&limit, "limit", 0, "at most so many; 0 is all")
	return c
}

// place finds a kind, and what its things lie in as the flags say.
func (a *App) place(ctx context.Context, kind string) (*kinds.Kind, []string, *things.Client, error) {
	k, err := kinds.Find(kind)
	if err != nil {
		return nil, nil, nil, err
	}
	c, err := a.client()
	if err != nil {
		return nil, nil, nil, err
	}
	at, err := c.Place(ctx, k, a.in())
	return k, at, c, err
}

func (a *App) printThings(k *kinds.Kind, entries []things.Object) error {
	var t table.Table
	if len(k.Keys) > 0 {
		t.Columns = []string{strings.ToUpper(k.Keys[0])}
	}
	var shown []string
	for _, column := range k.Columns {
		if len(k.Keys) == 0 || column != k.Keys[0] {
			shown = append(shown, column)
			t.Columns = append(t.Columns, strings.ToUpper(column))
		}
	}
	trees := []any{}
	for _, entry := range entries {
		var row []string
		if len(k.Keys) > 0 {
			row = []string{table.Cell(k.Keys[0], entry[k.Keys[0]])}
		}
		for _, column := range shown {
			row = append(row, table.Cell(column, entry[column]))
		}
		t.Rows = append(t.Rows, row)
		trees = append(trees, entry)
	}
	return a.print(t, trees, func(i int) string { return k.One + "/" + things.Name(k, entries[i]) })
}

func (a *App) get() *cobra.Command {
	return &cobra.Command{
		Use: "get KIND [NAME]...", Short: "Read things, by name or id", Args: between(1, -1, noKind), ValidArgsFunction: a.completeNames,
		Long: `Read things of a kind, by name or id. Without a name it lists.

-o yaml and -o json write documents that apply takes again: change them, and what you leave as it is stays. They carry the
revision, so that apply refuses them where somebody else was faster; take metadata.revision out to overwrite. Secrets are
asterisks, and stay what they are while you leave them so.`,
		Example: `  gatehousectl get domain acme
  gatehousectl get application Payroll --domain acme -o yaml
  gatehousectl get access --domain acme --application Payroll`,
		RunE: func(cmd *cobra.Command, args []string) error {
			k, at, c, err := a.place(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if len(args) == 1 && !k.Singleton {
				entries, err := c.List(cmd.Context(), k, at, "", 0)
				if err != nil {
					return err
				}
				return a.printThings(k, entries)
			}
			names := args[1:]
			if k.Singleton {
				names = []string{""}
			}
			var found []*things.Found
			for _, name := range names {
				one, err := c.Find(cmd.Context(), k, at, name)
				if err != nil {
					return err
				}
				found = append(found, one)
			}
			return a.printFound(k, found)
		},
	}
}

func (a *App) printFound(k *kinds.Kind, found []*things.Found) error {
	var entries []things.Object
	for _, one := range found {
		entries = append(entries, one.Tree)
	}
	switch a.flags.output {
	case "table", "name":
		return a.printThings(k, entries)
	}
	for i, one := range found {
		d := document.Document{Kind: k.One, In: map[string]string{}, Name: one.Name, ID: one.ID, Spec: things.Spec(k, one.Tree)}
		for _, parent := range k.Parents() {
			if name := a.in()[parent]; name != "" {
				d.In[parent] = name
			}
		}
		d.Revision = things.Revision(one)
		if i > 0 && a.flags.output == "yaml" {
			if _, err := io.WriteString(a.Out, "---\n"); err != nil {
				return err
			}
		}
		if err := a.printTree(d.Tree()); err != nil {
			return err
		}
	}
	return nil
}

func (a *App) delete() *cobra.Command {
	var yes, dryRun bool
	var confirm []string
	c := &cobra.Command{
		Use: "delete KIND NAME...", Short: "Delete things, by name or id", Args: between(2, -1, "what is to be deleted? A kind and its name are needed"), ValidArgsFunction: a.completeNames,
		Long: `Delete things of a kind, by name or id. At a terminal it asks first; elsewhere it needs --yes.

Where a deletion has a consequence elsewhere, such as opening an application to everybody, management says so and wants a word
for it: at a terminal you are asked, elsewhere --confirm says the word.`,
		Example: `  gatehousectl delete group Trainees --domain acme --yes
  gatehousectl delete binding Finance --domain acme --application Payroll --yes --confirm opens`,
		RunE: func(cmd *cobra.Command, args []string) error {
			k, at, c, err := a.place(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			c.Words, c.Confirm = confirm, a.confirm
			for _, name := range args[1:] {
				one, err := c.Find(cmd.Context(), k, at, name)
				if err != nil {
					return err
				}
				if !yes && !dryRun {
					if !a.asks() {
						return fmt.Errorf("%s %q would be deleted; say --yes where nobody can be asked", k.One, one.Name)
					}
					sure, err := a.question(fmt.Sprintf("Delete %s %q (id %s)?", k.One, one.Name, one.ID))
					if err != nil {
						return err
					}
					if !sure {
						return errors.New("nothing was deleted")
					}
				}
				if err := c.Delete(cmd.Context(), k, at, one, dryRun); err != nil {
					return fmt.Errorf("%s/%s: %w", k.One, one.Name, hint(err))
				}
				say(a.Out, "%s/%s deleted%s\n", k.One, one.Name, dry(dryRun))
			}
			return nil
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "run every check and delete nothing")
	c.Flags().StringSliceVar(&confirm, "confirm", nil, "consequences that are meant, such as opens")
	return c
}

// confirm shows a consequence and asks for it; where nobody can be asked the answer is no.
func (a *App) confirm(p *api.Problem) (bool, error) {
	if !a.asks() {
		return false, nil
	}
	say(a.Err, "%s\n", p.Error())
	return a.question("Do it all the same?")
}

// hint adds to a consequence that was not confirmed how that is done.
func hint(err error) error {
	var p *api.Problem
	if errors.As(err, &p) && p.Confirm != nil {
		return fmt.Errorf("%w\nIf that is meant: --confirm %s", err, p.Confirm.Word)
	}
	return err
}

func dry(run bool) string {
	if run {
		return " (dry run)"
	}
	return ""
}

func (a *App) completeKinds(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, k := range kinds.All {
		names = append(names, k.Name+"\t"+k.About)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// mostCompleted is how many names a shell is offered.
const mostCompleted = 200

func (a *App) completeNames(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return a.completeKinds(cmd, args, begun)
	}
	return a.namesOf(cmd.Context(), args[0], begun)
}

func (a *App) namesOf(ctx context.Context, kind, begun string) ([]string, cobra.ShellCompDirective) {
	k, at, c, err := a.place(ctx, kind)
	if err != nil || k.Singleton {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	search := ""
	if k.Search && begun != "" {
		search = begun + "*"
	}
	entries, err := c.List(ctx, k, at, search, mostCompleted)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, entry := range entries {
		names = append(names, things.Name(k, entry))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
