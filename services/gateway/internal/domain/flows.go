package domain

import (
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/flows"
)

// compileFlows gathers the flows of the domain. One that cannot be used stays among them: it makes its point fail.
func (core *Core) compileFlows(parts map[string]*flowPart) {
	for _, part := range parts {
		if part.flow != nil {
			core.flows = append(core.flows, part.flow)
		}
	}
}

// flowsOf returns what runs for an application: the domain's flows before its own, unless it does without them.
func (core *Core) flowsOf(app *configv1.Application, own *belongings) *flows.Set {
	if core.flows == nil && own == nil {
		return nil
	}
	inherited := app.GetSettings().GetAdvanced()
	if inherited != nil && inherited.FlowsInherited != nil && !inherited.GetFlowsInherited() {
		return flows.Combine(own.compileFlows())
	}
	return flows.Combine(core.flows, own.compileFlows())
}
