package scenario

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-am/gatehouse/services/bench/internal/report"
)

// Scenario is one thing to measure.
type Scenario struct {
	// Name is how it is chosen on the command line.
	Name string
	// About says in a few words what is measured.
	About string
	// Run returns the rows without the name and the text above.
	Run func(ctx context.Context, b *Bench) ([]report.Row, error)
}

// All returns every scenario in the order in which they run. A new one is added here.
func All() []Scenario {
	return []Scenario{
		clientCredentialsES256(),
		clientCredentialsRS256(),
		discovery(),
		jwks(),
		introspectionHot(),
		introspectionCold(),
		userinfo(),
		refresh(),
		signOn(),
		login(),
		loginPassword(),
		registration(),
		propagation(1),
		propagation(4),
		lists(),
		startUp(),
		crowdAtGateway(),
		crowdOfCopies(),
		crowdAtManagement(),
		rollingRestart(false),
		rollingRestart(true),
	}
}

// Select returns the scenarios with these names, in the order of All; all of them if there are no names.
func Select(names []string) ([]Scenario, error) {
	all := All()
	if len(names) == 0 {
		return all, nil
	}
	var chosen []Scenario
	for _, s := range all {
		if slices.Contains(names, s.Name) {
			chosen = append(chosen, s)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(all, func(s Scenario) bool { return s.Name == name }) {
			known := make([]string, len(all))
			for i, s := range all {
				known[i] = s.Name
			}
			return nil, fmt.Errorf("there is no scenario %q; there are %s", name, strings.Join(known, ", "))
		}
	}
	return chosen, nil
}
