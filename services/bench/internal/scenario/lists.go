package scenario

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/gatehouse-am/gatehouse/services/bench/internal/harness"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/load"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/report"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/seed"
)

// listsBound is what no list may take longer than, 95 times in 100, with as many applications as the full run has.
const listsBound = 20 * time.Millisecond

// loadPatience is how long management may take to load what was seeded. The embedded database needs most of it.
const loadPatience = 10 * time.Minute

// listed is one sort of list, with how many it finds of n applications.
type listed struct {
	name  string
	query url.Values
	found func(n int) int
}

// pagePatience is how long the pages of the database's floor may take altogether. The embedded database does not do one
// in this time when there are very many.
const pagePatience = 20 * time.Second

func one(int) int   { return 1 }
func all(n int) int { return n }

// listsOf are the sorts of list. The applications are numbered from 1 to n.
func listsOf(n int) []listed {
	deep := fmt.Sprint(n/50 - 1)
	number := fmt.Sprintf("%0*d", len(seed.Number), n/2)
	return []listed{
		{"page", url.Values{}, all},
		{"deep page", url.Values{"page": {deep}}, all},
		{"name", url.Values{"q": {"APPLICATION " + number}}, one},
		{"client id", url.Values{"q": {"client-" + number}}, one},
		{"wildcard", url.Values{"q": {"*" + number[2:] + "*"}}, nil},
		{"type", url.Values{"type": {"web"}}, func(n int) int { return n / 4 }},
	}
}

// lists measures lists and searches of applications in one domain that has very many, by one client that asks again when
// the answer has come. Beside them stand two reads of the database itself, by the same client: one document by its
// identifier, and one page by an index.
func lists() Scenario {
	return Scenario{
		Name: "lists", About: "pages and searches of a domain's applications; database: the same client without management",
		Run: func(ctx context.Context, b *Bench) ([]report.Row, error) {
			row, err := b.lists(ctx)
			if err != nil {
				return nil, err
			}
			goals := make([]report.Goal, 0, 6)
			for _, l := range listsOf(b.Length.Applications) {
				goals = append(goals, report.Extra(l.name+" p95 ms", float64(report.MillisOf(listsBound))))
			}
			row.Judge(goals...)
			return []report.Row{*row}, nil
		},
	}
}

func (b *Bench) lists(ctx context.Context) (_ *report.Row, err error) {
	home, err := b.Platform.NewInstallation()
	if err != nil {
		return nil, err
	}
	defer home.Stop()
	database, err := seed.Open(home.URI, home.Database)
	if err != nil {
		return nil, err
	}
	defer func() {
		home.Stop()
		err = errors.Join(err, database.Close(context.WithoutCancel(ctx)))
	}()
	n := b.Length.Applications
	domain, id, err := b.seed(ctx, home, database, n)
	if err != nil {
		return nil, err
	}
	row := &report.Row{Connections: 1, Unit: "list", Extra: map[string]float64{}}
	before, err := b.read(nil)
	if err != nil {
		return nil, err
	}
	measure := func(name string, ask func() error) (*load.Histogram, error) {
		times, err := b.timed(ctx, ask)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		row.Extra[name+" p50 ms"] = report.Round(float64(report.MillisOf(times.Quantile(0.5))))
		row.Extra[name+" p95 ms"] = report.Round(float64(report.MillisOf(times.Quantile(0.95))))
		return times, nil
	}
	if _, err := measure("database: one by _id", func() error { return database.ReadOne(ctx, id) }); err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, pagePatience)
	_, err = measure("database: indexed page", func() error { return database.ReadPage(limited, domain, 50) })
	cancel()
	if err != nil {
		if limited.Err() == nil || ctx.Err() != nil {
			return nil, err
		}
		// The embedded database reads everything for a page.
		row.Extra["database: indexed page takes more than ms"] = float64(report.MillisOf(pagePatience))
	}
	every := new(load.Histogram)
	for _, l := range listsOf(n) {
		times, err := measure(l.name, func() error { return l.ask(ctx, home.Management, domain, n) })
		if err != nil {
			return nil, err
		}
		every.Merge(times)
	}
	after, err := b.read(nil)
	if err != nil {
		return nil, err
	}
	row.Operations, row.Checked = int64(every.Count()), int64(every.Count())
	row.P50, row.P99, row.Max = report.MillisOf(every.Quantile(0.5)), report.MillisOf(every.Quantile(0.99)), report.MillisOf(every.Max())
	row.OtherLoad = report.Round(between(before, after, &load.Result{}).otherLoad)
	return row, nil
}

// seed makes a domain with n applications and has management load them.
func (b *Bench) seed(ctx context.Context, home *harness.Installation, database *seed.Database, n int) (domain, id string, err error) {
	if err := home.Start(ctx, loadPatience); err != nil {
		return "", "", err
	}
	var made struct{ ID string }
	if err := home.Management.Post(ctx, "/domains", harness.Object{"name": "lists"}, &made); err != nil {
		return "", "", err
	}
	domain = made.ID
	err = home.Management.Post(ctx, "/domains/"+domain+"/applications", harness.Object{
		"name": "Application " + seed.Number, "type": "service", "clientId": "client-" + seed.Number,
	}, &made)
	if err != nil {
		return "", "", err
	}
	home.Stop()
	b.Log.Info("applications are seeded", "count", n)
	if err := database.Copy(ctx, made.ID, n); err != nil {
		return "", "", fmt.Errorf("seed %d applications: %w", n, err)
	}
	start := time.Now()
	if err := home.Start(ctx, loadPatience); err != nil {
		return "", "", err
	}
	b.Log.Info("applications are loaded", "seconds", time.Since(start).Seconds())
	return domain, made.ID, nil
}

// timed asks again and again, for as long as lists of one sort are asked for.
func (b *Bench) timed(ctx context.Context, ask func() error) (*load.Histogram, error) {
	times, end := new(load.Histogram), time.Now().Add(b.Length.ListsTime)
	for i := 0; i < b.Length.Lists && (i == 0 || time.Now().Before(end)); i++ {
		start := time.Now()
		if err := ask(); err != nil {
			return nil, err
		}
		times.Add(time.Since(start))
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return times, nil
}

// ask asks for the list and checks how many it has. The application that was copied is one more than the others.
func (l listed) ask(ctx context.Context, m *harness.Management, domain string, n int) error {
	var answer struct {
		Data       []struct{ ID string }
		TotalCount int
	}
	if err := m.Get(ctx, "/domains/"+domain+"/applications?"+l.query.Encode(), &answer); err != nil {
		return err
	}
	if len(answer.Data) == 0 || l.found != nil && (answer.TotalCount < l.found(n) || answer.TotalCount > l.found(n)+1) {
		return fmt.Errorf("%d of %d were found", len(answer.Data), answer.TotalCount)
	}
	return nil
}
