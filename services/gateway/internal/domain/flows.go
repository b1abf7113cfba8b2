package domain

import (
	"google.golang.org/protobuf/proto"

	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/gateway/internal/flows"
)

func (src *source) upsertFlow(message *configv1.Flow) error {
	part := src.flows[message.GetId()]
	if part == nil || !proto.Equal(part.message, message) {
		part = &flowPart{message: message}
		part.flow, part.err = flows.Compile(message)
		src.flows[message.GetId()], src.changed = part, true
	}
	return part.err
}

// compileFlows sorts the flows by the domain or application that they belong to. One that cannot be used stays among them: it makes its
// point fail.
func (core *Core) compileFlows(parts map[string]*flowPart) {
	for _, part := range parts {
		if part.flow == nil {
			continue
		}
		level := part.message.GetLevel()
		if level == "" {
			level = core.ID
		}
		if core.flows == nil {
			core.flows = map[string][]*flows.Flow{}
		}
		core.flows[level] = append(core.flows[level], part.flow)
	}
}

// flowsOf returns what runs for an application: the domain's flows before its own, unless it does without them.
func (core *Core) flowsOf(app *configv1.Application) *flows.Set {
	if core.flows == nil {
		return nil
	}
	inherited := app.GetSettings().GetAdvanced()
	if inherited != nil && inherited.FlowsInherited != nil && !inherited.GetFlowsInherited() {
		return flows.Combine(core.flows[app.GetId()])
	}
	return flows.Combine(core.flows[core.ID], core.flows[app.GetId()])
}
