package scenario

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-am/gatehouse/services/bench/internal/cpu"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/harness"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/replay"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/report"
	"github.com/gatehouse-am/gatehouse/services/bench/internal/seed"
)

// The measures of a start that have goals.
const (
	managementReady = "management ready s"
	// managementAlone is the same from a database that answers large reads as fast as they are asked for.
	managementAlone = "management ready s from a database that does not make it wait"
	// managementToRead is how long management takes for each second in which the driver alone reads the same documents.
	managementToRead = "management ready ÷ database read"
	gatewayReady     = "gateway ready s"
	gatewayEach      = "gateway bytes per application"
)

// startUpGoals are those of a hundred thousand applications. The embedded database takes several times as long to send the documents
// as management has: there, management is judged by a start from a database that does not make it wait, and beside that it
// may not take much longer than the database alone.
func startUpGoals(embedded bool) []report.Goal {
	management := []report.Goal{report.Extra(managementReady, 5)}
	if embedded {
		management = []report.Goal{report.Extra(managementAlone, 5), report.Extra(managementToRead, 1.5)}
	}
	return append(management, report.Extra(gatewayReady, 3), report.Extra(gatewayEach, 2<<10))
}

// startUp measures how long management and a gateway take from their start until they are ready, when there are very many ordinary
// applications, and how much memory an application takes that nobody uses. Once they lie in many domains, and once in one.
func startUp() Scenario {
	return Scenario{
		Name: "start-up", About: "management and a gateway start with many applications, in many domains and in one",
		Run: func(ctx context.Context, b *Bench) ([]report.Row, error) {
			var rows []report.Row
			_, counted := b.Platform.Database()
			for _, domains := range []int{b.Length.Domains, 1} {
				row, err := b.startUp(ctx, domains, b.Length.Applications, !counted)
				if err != nil {
					return rows, fmt.Errorf("%d domains: %w", domains, err)
				}
				row.Judge(startUpGoals(!counted)...)
				rows = append(rows, *row)
			}
			return rows, nil
		},
	}
}

// started is what starting something took.
type started struct {
	wall, cpu time.Duration
	// atReady is the resident memory at that moment, settled what is left when it changes no more.
	atReady, settled int64
}

// startsOf is how often a start is measured of which the middle one counts.
const startsOf = 3

func (b *Bench) startUp(ctx context.Context, domains, n int, embedded bool) (_ *report.Row, err error) {
	home, err := b.Platform.NewInstallation()
	if err != nil {
		return nil, err
	}
	database, err := seed.Open(home.URI, home.Database)
	if err != nil {
		return nil, err
	}
	defer func() {
		home.Stop()
		err = errors.Join(err, database.Close(context.WithoutCancel(ctx)))
	}()
	if err := home.Start(ctx, loadPatience); err != nil {
		return nil, err
	}
	models, err := b.models(ctx, home, domains)
	if err != nil {
		return nil, err
	}
	home.Stop()
	row := &report.Row{Unit: "start", Gateways: 1, Operations: 1, Checked: 1, Extra: map[string]float64{}}
	extra := func(name string, v float64) { row.Extra[name] = report.Round(v) }
	emptyManagement, emptyGateway, err := b.startBoth(ctx, home)
	if err != nil {
		return nil, err
	}
	home.Stop()
	b.Log.Info("applications are seeded", "count", n, "domains", domains)
	for _, id := range models {
		if err := database.Copy(ctx, id, n/len(models)); err != nil {
			return nil, fmt.Errorf("seed %d applications: %w", n, err)
		}
	}
	begun := time.Now()
	documents, bytes, err := database.ReadAll(ctx)
	if err != nil {
		return nil, err
	}
	read := time.Since(begun)
	extra("floor: database read s", read.Seconds())
	extra("applications", float64(documents))
	extra("domains", float64(domains))
	extra("document bytes", float64(bytes)/float64(documents))
	var recorder *replay.Proxy
	if embedded {
		var over func() error
		if recorder, over, err = record(ctx, home); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, over()) }()
	}
	management, gateway, err := b.startBoth(ctx, home)
	if err != nil {
		return nil, err
	}
	begun = time.Now()
	taken, err := home.Transfer(ctx)
	if err != nil {
		return nil, err
	}
	extra("floor: transfer s", time.Since(begun).Seconds())
	if taken.Resources() < documents {
		return nil, fmt.Errorf("management brings %d resources, and there are %d applications", taken.Resources(), documents)
	}
	extra("encoded bytes", float64(taken.Bytes())/float64(taken.Resources()))
	each := float64(documents - len(models))
	for name, s := range map[string][2]started{"management": {management, emptyManagement}, "gateway": {gateway, emptyGateway}} {
		with, without := s[0], s[1]
		extra(name+" ready s", with.wall.Seconds())
		extra(name+" CPU s", with.cpu.Seconds())
		extra(name+" empty: ready s", without.wall.Seconds())
		extra(name+" empty: MB", float64(without.settled)/megabyte)
		extra(name+" MB when ready", float64(with.atReady)/megabyte)
		extra(name+" MB", float64(with.settled)/megabyte)
		extra(name+" bytes per application", float64(with.settled-without.settled)/each)
	}
	extra(managementToRead, management.wall.Seconds()/read.Seconds())
	if recorder != nil {
		alone, recorders, err := b.startAlone(ctx, home, recorder, taken)
		if err != nil {
			return nil, err
		}
		extra(managementAlone, alone.wall.Seconds())
		extra("management CPU s from a database that does not make it wait", alone.cpu.Seconds())
		extra("recorder CPU s", recorders.Seconds())
	}
	return row, nil
}

// record puts a recorder between an installation and its database, and returns how to end it.
func record(ctx context.Context, home *harness.Installation) (*replay.Proxy, func() error, error) {
	p, err := replay.Listen(home.URI)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	running := make(chan error)
	go func() { running <- p.Run(ctx) }()
	home.URI = p.URI()
	return p, func() error {
		home.Stop() // first: it waits for its database
		cancel()
		return <-running
	}, nil
}

// startAlone starts management from what the recorder has kept, and makes sure that it brings gateways what it brought before. It returns
// the middle one of some starts, and what the recorder, which is this process, took for it.
func (b *Bench) startAlone(ctx context.Context, home *harness.Installation, recorder *replay.Proxy, before *harness.Taken) (started, time.Duration, error) {
	want, err := before.Digest()
	if err != nil {
		return started{}, 0, err
	}
	recorder.Replay()
	type start struct {
		started
		recorder time.Duration
	}
	var starts []start
	for range startsOf {
		home.Stop()
		answered := recorder.Answered()
		mine, err := cpu.Used(os.Getpid())
		if err != nil {
			return started{}, 0, err
		}
		begun := time.Now()
		if err := home.Run(ctx, loadPatience); err != nil {
			return started{}, 0, err
		}
		s := start{started: started{wall: time.Since(begun)}}
		if err := s.at(home.Process.PID()); err != nil {
			return started{}, 0, err
		}
		now, err := cpu.Used(os.Getpid())
		if err != nil {
			return started{}, 0, err
		}
		s.recorder = now - mine
		starts = append(starts, s)
		taken, err := home.Transfer(ctx)
		if err != nil {
			return started{}, 0, err
		}
		got, err := taken.Digest()
		switch {
		case err != nil:
			return started{}, 0, err
		case got != want:
			return started{}, 0, errors.New("started from the recording, management brings other resources than from the database")
		case recorder.Answered() == answered:
			return started{}, 0, errors.New("management was to start from the recording and read nothing of it")
		}
	}
	slices.SortFunc(starts, func(a, b start) int { return cmp.Compare(a.wall, b.wall) })
	middle := starts[len(starts)/2]
	return middle.started, middle.recorder, nil
}

// models makes the domains, each with applications of several sorts, and returns those that are to be copied.
func (b *Bench) models(ctx context.Context, home *harness.Installation, domains int) ([]string, error) {
	var models []string
	for d := range domains {
		var domain, made struct{ ID string }
		if err := home.Management.Post(ctx, "/domains", harness.Object{"name": fmt.Sprintf("domain %d", d)}, &domain); err != nil {
			return nil, err
		}
		at := "/domains/" + domain.ID
		if err := home.Management.Patch(ctx, at, harness.Object{"enabled": true}, nil); err != nil {
			return nil, err
		}
		for _, sort := range []string{"web", "service"} {
			name := strings.ToUpper(sort[:1]) + sort[1:] + " application " + seed.Number
			draft := harness.Object{
				"name": name, "type": sort, "clientId": sort + "-" + seed.Number, "description": "What people read about " + name,
				"metadata": harness.Object{"team": "team of " + seed.Number},
			}
			if sort == "web" {
				draft["redirectUris"] = []string{"https://app-" + seed.Number + ".example/callback", "https://app-" + seed.Number + ".example/silent"}
			}
			if err := home.Management.Post(ctx, at+"/applications", draft, &made); err != nil {
				return nil, err
			}
			err := home.Management.Patch(ctx, at+"/applications/"+made.ID, harness.Object{"settings": harness.Object{"oauth": harness.Object{
				"accessTokenValiditySeconds": 1800, "scopeSettings": []harness.Object{{"scope": "openid", "defaultScope": true}, {"scope": "email"}},
			}}}, nil)
			if err != nil {
				return nil, err
			}
			models = append(models, made.ID)
		}
	}
	return models, nil
}

// startBoth starts management and, when it is ready, a gateway, which it stops in the end.
func (b *Bench) startBoth(ctx context.Context, home *harness.Installation) (management, gateway started, err error) {
	begun := time.Now()
	if err := home.Run(ctx, loadPatience); err != nil {
		return management, gateway, err
	}
	management.wall = time.Since(begun)
	if err := management.at(home.Process.PID()); err != nil {
		return management, gateway, err
	}
	begun = time.Now()
	g, err := home.StartGateway(ctx, loadPatience)
	if err != nil {
		return management, gateway, err
	}
	defer g.Stop()
	gateway.wall = time.Since(begun)
	if err := gateway.at(g.PID()); err != nil {
		return management, gateway, err
	}
	if gateway.settled, err = settledMemory(ctx, g.PID()); err != nil {
		return management, gateway, err
	}
	management.settled, err = settledMemory(ctx, home.Process.PID())
	return management, gateway, err
}

// at notes what a process has used when it is ready.
func (s *started) at(pid int) (err error) {
	if s.cpu, err = cpu.Used(pid); err != nil {
		return err
	}
	s.atReady, err = cpu.Resident(pid)
	return err
}

// How long the memory of a process is watched: it is settled when it has not shrunk by a hundredth within calm.
const (
	calm          = 3 * time.Second
	settlePatient = time.Minute
)

// settledMemory returns the resident memory of a process when it shrinks no more: what was garbage goes back to the system little by
// little.
func settledMemory(ctx context.Context, pid int) (int64, error) {
	least, since, end := int64(0), time.Now(), time.Now().Add(settlePatient)
	pause := time.NewTicker(200 * time.Millisecond)
	defer pause.Stop()
	for {
		now, err := cpu.Resident(pid)
		if err != nil {
			return 0, err
		}
		if least == 0 || now < least-least/100 {
			least, since = now, time.Now()
		}
		if time.Since(since) > calm || time.Now().After(end) {
			return now, nil
		}
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-pause.C:
		}
	}
}
