package command

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/kinds"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/table"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/things"
)

// late is for how long a record may be found after others that are later: replicas write at the same time.
const late = 10 * time.Second

func (a *App) audit() *cobra.Command {
	var t tail
	c := &cobra.Command{Use: "audit", Short: "Who did what"}
	one := &cobra.Command{
		Use: "tail", Short: "Print the latest audit records, and those that come", Args: cobra.NoArgs,
		Long: `Print audit records, the latest last: of the organization, of a domain, or of an application. -f goes on until it is
interrupted. -o json prints each record as one line.`,
		Example: `  gatehousectl audit tail
  gatehousectl audit tail --domain acme -n 5 --type create --kind group -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.tail(cmd.Context(), &t) },
	}
	f := one.Flags()
	f.BoolVarP(&t.follow, "follow", "f", false, "go on with what comes")
	f.IntVarP(&t.lines, "lines", "n", 20, "how many to begin with, at most 1000")
	f.DurationVar(&t.interval, "interval", 2*time.Second, "how often to look for more")
	f.DurationVar(&t.since, "since", 0, "none older than this, such as 1h")
	f.StringSliceVar(&t.types, "type", nil, "only what was done so, such as create")
	f.StringVar(&t.status, "status", "", "only with this outcome: success, failure or attempted")
	f.StringVar(&t.actor, "actor", "", "only by this operator, name or id")
	f.StringVar(&t.target, "target", "", "only about the resource with this id")
	f.StringVar(&t.kind, "kind", "", "only about resources of this kind, such as application")
	c.AddCommand(one)
	return c
}

// tail is what is asked for of the records.
type tail struct {
	follow                      bool
	lines                       int
	interval, since             time.Duration
	types                       []string
	status, actor, target, kind string
	seen                        map[string]int64 // by id, when it happened
	heading                     bool
}

func (t *tail) query() url.Values {
	q := url.Values{}
	if len(t.types) > 0 {
		q["type"] = t.types
	}
	for name, value := range map[string]string{"status": t.status, "user": t.actor, "target": t.target, "kind": t.kind} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

func (a *App) tail(ctx context.Context, t *tail) error {
	if t.lines < 1 || t.lines > 1000 || t.interval <= 0 {
		return fmt.Errorf("-n is from 1 to 1000, and --interval more than nothing")
	}
	c, err := a.client()
	if err != nil {
		return err
	}
	at, err := a.auditPlace(ctx, c)
	if err != nil {
		return err
	}
	q := t.query()
	if t.since > 0 {
		q.Set("from", strconv.FormatInt(time.Now().Add(-t.since).UnixMilli(), 10))
	}
	q.Set("size", strconv.Itoa(t.lines))
	records, _, err := c.Audits(ctx, at, q)
	if err != nil {
		return err
	}
	t.seen = map[string]int64{}
	last := time.Now().Add(-late).UnixMilli()
	if err := a.records(t, records, &last); err != nil || !t.follow {
		return err
	}
	tick := time.NewTicker(t.interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil // that is how following ends
		case <-tick.C:
		}
		from := last - late.Milliseconds()
		records, err := t.since0(ctx, c, at, from)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		for id, when := range t.seen {
			if when < from {
				delete(t.seen, id)
			}
		}
		if err := a.records(t, records, &last); err != nil {
			return err
		}
	}
}

// since0 reads every record from a moment on.
func (t *tail) since0(ctx context.Context, c *things.Client, at []string, from int64) ([]things.Object, error) {
	q := t.query()
	q.Set("from", strconv.FormatInt(from, 10))
	q.Set("size", "1000")
	var all []things.Object
	for page := 0; ; page++ {
		q.Set("page", strconv.Itoa(page))
		records, total, err := c.Audits(ctx, at, q)
		if err != nil {
			return nil, err
		}
		all = append(all, records...)
		if len(records) == 0 || len(all) >= total {
			return all, nil
		}
	}
}

// auditPlace is the domain, and the application in it, of which there are records; nothing for all of them.
func (a *App) auditPlace(ctx context.Context, c *things.Client) ([]string, error) {
	of := "domains"
	switch {
	case a.in()["application"] != "":
		of = "bindings" // lie in an application
	case a.in()["domain"] != "":
		of = "scopes" // lie in a domain
	}
	k, err := kinds.Find(of)
	if err != nil {
		return nil, err
	}
	return c.Place(ctx, k, a.in())
}

// records prints those that were not printed yet, the earliest first.
func (a *App) records(t *tail, records []things.Object, last *int64) error {
	records = slices.Clone(records)
	slices.Reverse(records)
	out := table.Table{Columns: []string{"TIME", "TYPE", "OUTCOME", "WHO", "KIND", "TARGET", "DOMAIN"}}
	for _, r := range records {
		id := things.ID(r)
		stamp, _ := r["timestamp"].(json.Number)
		when, _ := stamp.Int64()
		if _, printed := t.seen[id]; printed {
			continue
		}
		t.seen[id] = when
		*last = max(*last, when)
		if a.flags.output == "json" {
			text, err := json.Marshal(r)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(a.Out, "%s\n", text); err != nil {
				return err
			}
			continue
		}
		outcome, _ := r["outcome"].(things.Object)
		actor, _ := r["actor"].(things.Object)
		target, _ := r["target"].(things.Object)
		out.Rows = append(out.Rows, []string{
			time.UnixMilli(when).UTC().Format(time.RFC3339), table.Cell("", r["type"]), table.Cell("", outcome["status"]),
			table.Cell("", first(text(actor, "displayName"), text(actor, "name"), text(actor, "id"))), table.Cell("", first(text(target, "type"), text(target, "kind"))),
			table.Cell("", first(text(target, "displayName"), text(target, "name"), text(target, "id"))), table.Cell("", r["domain"]),
		})
	}
	switch {
	case a.flags.output == "json":
		return nil
	case a.flags.output != "table":
		return fmt.Errorf("audit tail prints a table or -o json")
	case len(out.Rows) == 0 && t.heading:
		return nil
	}
	if t.heading {
		out.Columns = out.Rows[0]
		out.Rows = out.Rows[1:]
	}
	t.heading = true
	return out.Write(a.Out, a.width())
}

func text(o things.Object, name string) string {
	value, _ := o[name].(string)
	return value
}

func (a *App) gateways() *cobra.Command {
	c := &cobra.Command{Use: "gateways", Short: "The gateways that are connected"}
	c.AddCommand(&cobra.Command{
		Use: "status", Short: "How far the gateways are, and what they cannot use", Args: cobra.NoArgs,
		Long: `List the gateways that are connected to the replica of management that answers: the revision of the configuration that
each has applied, for how long there has been a newer one, and what it cannot use. It ends with 2 where a gateway cannot use
something. Where management has several replicas, each knows the gateways whose streams end at it.`,
		Example: "  gatehousectl gateways status\n  gatehousectl gateways status -o json",
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.gatewayStatus(cmd.Context()) },
	})
	return c
}

func (a *App) gatewayStatus(ctx context.Context) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	answer, err := c.Conn.Call(ctx, false, func(ctx context.Context) (*http.Response, error) { return c.Conn.ListGateways(ctx) })
	if err != nil {
		return err
	}
	all, _ := answer.Tree.([]any)
	t := table.Table{Columns: []string{"GATEWAY", "REVISION", "BEHIND", "REJECTED", "CONNECTED", "DOMAINS"}}
	refused := 0
	for _, entry := range all {
		g, _ := entry.(things.Object)
		lag, _ := g["lagMillis"].(json.Number)
		millis, _ := lag.Int64()
		rejections, _ := g["rejections"].([]any)
		refused += len(rejections)
		domains := "all"
		if g["domains"] != nil {
			domains = table.Cell("", g["domains"])
		}
		t.Rows = append(t.Rows, []string{
			table.Cell("", g["node"]), table.Cell("", g["revision"]), (time.Duration(millis) * time.Millisecond).String(),
			strconv.Itoa(len(rejections)), table.Cell("connectedAt", g["connectedAt"]), domains,
		})
		if a.flags.output == "table" {
			for _, r := range rejections {
				o, _ := r.(things.Object)
				say(a.Err, "%s cannot use %s %s of domain %s: %s\n", table.Cell("", g["node"]), table.Cell("", o["kind"]),
					table.Cell("", o["id"]), table.Cell("", o["domain"]), table.Cell("", o["reason"]))
			}
		}
	}
	if err := a.print(t, all, func(i int) string { return t.Rows[i][0] }); err != nil {
		return err
	}
	if refused > 0 {
		return fmt.Errorf("gateways cannot use %d resources, and go on with what they had before", refused)
	}
	return nil
}
