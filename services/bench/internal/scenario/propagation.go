package scenario

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/jose"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/harness"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/load"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/report"
)

// propagation measures the time from management's answer to a PATCH until the last gateway works by it. The bound of
// 250 ms is a promise, the others are goals.
func propagation(gateways int) Scenario {
	middle := 15 * time.Millisecond
	if gateways > 1 {
		middle = 20 * time.Millisecond
	}
	name, about := "propagation", "time from the answer to a PATCH of an application until the gateway's tokens show it"
	if gateways > 1 {
		name = fmt.Sprintf("propagation-%d", gateways)
		about = fmt.Sprintf("the same until the last of %d gateways shows it", gateways)
	}
	return Scenario{Name: name, About: about, Run: func(ctx context.Context, b *Bench) ([]report.Row, error) {
		row, err := propagate(ctx, b, gateways)
		if err != nil {
			return nil, err
		}
		row.Judge(report.P99(250*time.Millisecond), report.P50(middle), report.P99(100*time.Millisecond))
		return []report.Row{*row}, nil
	}}
}

// poll is the pause between two questions to a gateway, and so about how exact the result is. Without it the questions
// themselves would keep the machine from applying the change.
const poll = 500 * time.Microsecond

// slowest is how long a change may take before the scenario has failed.
const slowest = 20 * time.Second

func propagate(ctx context.Context, b *Bench, n int) (_ *report.Row, err error) {
	w, err := b.sharedWorld(ctx)
	if err != nil {
		return nil, err
	}
	app, err := w.newService(ctx, fmt.Sprintf("%s %d", b.current, n), jose.ES256)
	if err != nil {
		return nil, err
	}
	gateways, err := b.Platform.AddGateways(ctx, n)
	if err != nil {
		return nil, err
	}
	defer func() {
		if _, ended := b.Platform.AddGateways(ctx, 1); err == nil {
			err = ended
		}
	}()
	watchers := make([]*watcher, len(gateways))
	for i, g := range gateways {
		watchers[i] = newWatcher(g.Address, w.domain.Path, app)
		defer watchers[i].conn.Close()
		if err := watchers[i].await(ctx, int(serviceLifetime.Seconds())); err != nil {
			return nil, err
		}
	}
	before, err := b.read(b.Platform.Parts())
	if err != nil {
		return nil, err
	}
	answers, effects, err := b.changes(ctx, app, watchers)
	if err != nil {
		return nil, err
	}
	after, err := b.read(b.Platform.Parts())
	if err != nil {
		return nil, err
	}
	cost := between(before, after, &load.Result{})
	return &report.Row{
		Gateways: n, Unit: "change", Operations: int64(effects.Count()), Checked: int64(effects.Count()),
		P50: report.MillisOf(effects.Quantile(0.5)), P99: report.MillisOf(effects.Quantile(0.99)), Max: report.MillisOf(effects.Max()),
		Rate:      summary([]float64{float64(effects.Count()) / after.at.Sub(before.at).Seconds()}),
		OtherLoad: report.Round(cost.otherLoad), Resident: b.Platform.Resident(),
		Extra: map[string]float64{
			"PATCH p50 ms": report.Round(float64(report.MillisOf(answers.Quantile(0.5)))),
			"PATCH p99 ms": report.Round(float64(report.MillisOf(answers.Quantile(0.99)))),
		},
	}, nil
}

// changes changes the lifetime of the application's tokens again and again, each time to a value it never had. It returns
// how long management took to answer and how long the last gateway took from then on.
func (b *Bench) changes(ctx context.Context, app *harness.Application, watchers []*watcher) (answers, effects *load.Histogram, err error) {
	answers, effects = new(load.Histogram), new(load.Histogram)
	end := time.Now().Add(b.Length.ChangesTime)
	for i := 0; i < b.Length.Changes && (i == 0 || time.Now().Before(end)); i++ {
		seconds := int(serviceLifetime.Seconds()) + 1 + i
		start := time.Now()
		err := app.Patch(ctx, harness.Object{"settings": harness.Object{"oauth": harness.Object{"accessTokenValiditySeconds": seconds}}})
		if err != nil {
			return nil, nil, err
		}
		answered := time.Now()
		seen := make([]time.Time, len(watchers))
		failures := make([]error, len(watchers))
		var group sync.WaitGroup
		for n, w := range watchers {
			group.Go(func() {
				failures[n] = w.await(ctx, seconds)
				seen[n] = time.Now()
			})
		}
		group.Wait()
		last := answered
		for n, at := range seen {
			if failures[n] != nil {
				return nil, nil, fmt.Errorf("change %d: %w", i, failures[n])
			}
			if at.After(last) {
				last = at
			}
		}
		answers.Add(answered.Sub(start))
		effects.Add(last.Sub(answered))
	}
	return answers, effects, nil
}

// watcher asks one gateway for tokens.
type watcher struct {
	conn    *load.Conn
	request []byte
}

func newWatcher(address, path string, app *harness.Application) *watcher {
	return &watcher{conn: load.NewConn(address), request: load.AppendForm(nil, address, path+"/oauth/token",
		"grant_type=client_credentials", load.Basic(app.ClientID, app.Secret))}
}

// await asks until a token lives for that many seconds.
func (w *watcher) await(ctx context.Context, seconds int) error {
	ctx, cancel := context.WithTimeout(ctx, slowest)
	defer cancel()
	deadline, _ := ctx.Deadline()
	w.conn.SetDeadline(deadline)
	pause := time.NewTimer(poll)
	defer pause.Stop()
	for {
		var answer tokenAnswer
		got, err := ask(ctx, w.conn, w.request, 200)
		if err == nil {
			answer, err = decodeToken(got.Body)
		}
		if err == nil && answer.ExpiresIn == seconds {
			return nil
		}
		pause.Reset(poll)
		select {
		case <-ctx.Done():
			return fmt.Errorf("the gateway still answers %d, %w; wanted %d", answer.ExpiresIn, orEmpty(err), seconds)
		case <-pause.C:
		}
	}
}
