package command

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/api"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/kinds"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/table"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/things"
)

const (
	// late is for how long a record may be found after others that are later: replicas write at the same time. After management
	// was away it may be longer: what waited for the database then has the time at which it began to wait.
	late, lateAfterAway = 10 * time.Second, time.Minute
	// mostRecords is how many records are asked for at once.
	mostRecords = 1000
	// longestPause is for how long at most nobody is asked while management is away.
	longestPause = 30 * time.Second
)

func (a *App) audit() *cobra.Command {
	var t tail
	one := &cobra.Command{
		Use: "tail", Short: "Print the latest audit records, and those that come", Args: nothing,
		Long: `Print audit records, the latest last: of the organization, of a domain, or of an application. -f goes on until it is
interrupted, and while management is away for a while, which it says on standard error: nothing is left out then, and nothing is
printed twice. -o json prints each record as one line.`,
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
	_ = one.RegisterFlagCompletionFunc("status", cobra.FixedCompletions([]string{"success", "failure", "attempted"}, cobra.ShellCompDirectiveNoFileComp))
	return within(&cobra.Command{Use: "audit", Short: "Who did what"}, one)
}

// tail is what is asked for of the records.
type tail struct {
	follow                      bool
	lines                       int
	interval, since             time.Duration
	types                       []string
	status, actor, target, kind string
	// seen are the records that were read, by id, with the time at which they happened; last is the latest time, and nothing before
	// floor was asked for. All are milliseconds.
	seen        map[string]int64
	last, floor int64
	heading     bool
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
		t.floor = time.Now().Add(-t.since).UnixMilli()
		q.Set("from", strconv.FormatInt(t.floor, 10))
	}
	q.Set("size", strconv.Itoa(t.lines))
	if t.follow { // what is not asked for now must not come as if it were new
		q.Set("size", strconv.Itoa(mostRecords))
	}
	records, _, err := c.Audits(ctx, at, q)
	if err != nil {
		return err
	}
	t.seen = map[string]int64{}
	fresh := t.fresh(records)
	if len(fresh) == mostRecords { // those before are not asked for either
		stamp, _ := fresh[0]["timestamp"].(json.Number)
		oldest, _ := stamp.Int64()
		t.floor = oldest + 1
	}
	if err := a.records(t, fresh[max(0, len(fresh)-t.lines):]); err != nil || !t.follow {
		return err
	}
	return a.followed(ctx, t, func(from int64) ([]things.Object, error) { return t.from(ctx, c, at, from) })
}

// followed prints what comes until ctx ends. Read reads every record from a moment on. While management is away it is asked
// again, ever more rarely.
func (a *App) followed(ctx context.Context, t *tail, read func(from int64) ([]things.Object, error)) error {
	pause, away := t.interval, false
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil // that is how following ends
		case <-timer.C:
		}
		back := late
		if away {
			back = lateAfterAway
		}
		records, err := read(max(t.floor, t.last-back.Milliseconds()))
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !api.Passes(err):
			return err
		case err != nil:
			pause, away = max(t.interval, min(2*pause, longestPause)), true
			say(a.Err, "%s\nAsked again in %s; nothing is left out\n", err, pause)
		default:
			if away {
				say(a.Err, "Management answers again\n")
			}
			pause, away = t.interval, false
			if err := a.records(t, t.fresh(records)); err != nil {
				return err
			}
			t.forget()
		}
		timer.Reset(pause)
	}
}

// fresh are the records that were not read yet, the earliest first.
func (t *tail) fresh(records []things.Object) []things.Object {
	var all []things.Object
	for _, r := range slices.Backward(records) {
		id, stamp := things.ID(r), r["timestamp"]
		number, _ := stamp.(json.Number)
		when, _ := number.Int64()
		if _, known := t.seen[id]; known {
			continue
		}
		t.seen[id], t.last = when, max(t.last, when)
		all = append(all, r)
	}
	return all
}

// forget forgets records that are not read again.
func (t *tail) forget() {
	for id, when := range t.seen {
		if when < t.last-lateAfterAway.Milliseconds() {
			delete(t.seen, id)
		}
	}
}

// from reads every record from a moment on, the latest first.
func (t *tail) from(ctx context.Context, c *things.Client, at []string, from int64) ([]things.Object, error) {
	q := t.query()
	q.Set("from", strconv.FormatInt(from, 10))
	q.Set("size", strconv.Itoa(mostRecords))
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

// records prints records.
func (a *App) records(t *tail, records []things.Object) error {
	out := table.Table{Columns: []string{"TIME", "TYPE", "OUTCOME", "WHO", "KIND", "TARGET", "DOMAIN"}}
	for _, r := range records {
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
		stamp, _ := r["timestamp"].(json.Number)
		when, _ := stamp.Int64()
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
