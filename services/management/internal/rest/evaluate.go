package rest

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	"github.com/gatehouse-am/gatehouse/pkg/selection"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/image"
)

const (
	// evaluationTime bounds all rules of one evaluation together.
	evaluationTime = 2 * time.Second
	// maxSampled is how many providers a body may bring.
	maxSampled = 200
)

// sample is a request for an evaluation with all that it names.
type sample struct {
	body        *managementv1.RuleEvaluation
	domain      *configv1.Domain
	application *configv1.Application
	providers   map[string]*configv1.IdentityProvider
	input       rules.Input
}

func (x *ruleActions) evaluate(w http.ResponseWriter, r *http.Request) error {
	s, err := x.sample(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), evaluationTime)
	defer cancel()
	if s.body.GetExpression() != "" || s.body.GetPlace() != "" {
		tree, err := s.value(ctx)
		if err != nil {
			return err
		}
		return x.mux.JSON(w, http.StatusOK, tree)
	}
	candidates, err := s.candidates()
	if err != nil {
		return err
	}
	return x.mux.answerMessage(w, s.decide(ctx, candidates))
}

// sample reads a body and what it names.
func (x *ruleActions) sample(r *http.Request) (*sample, error) {
	s := &sample{body: &managementv1.RuleEvaluation{}, providers: map[string]*configv1.IdentityProvider{}}
	place, e := placeOf(r), x.mux.api.Editor
	var err error
	if s.domain, err = editor.Read(r.Context(), e, catalog.Domains, place, place.Domain); err != nil {
		return nil, err
	}
	if err := x.mux.decode(r, s.body); err != nil {
		return nil, err
	}
	if id := s.body.GetApplication(); id != "" {
		s.application, err = editor.Read(r.Context(), e, catalog.Applications, place, id)
		if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
			text := "Application [" + id + "] can not be found."
			return nil, fault.Invalidf("%s", text).At("application", text)
		}
		if err != nil {
			return nil, err
		}
	}
	found, _, err := editor.ReadAll(r.Context(), e, catalog.IdentityProviders, place, image.Query{})
	if err != nil {
		return nil, err
	}
	for _, p := range found {
		s.providers[p.GetId()] = p
	}
	return s, s.fill()
}

// fill makes the input of the rules.
func (s *sample) fill() error {
	b := s.body
	params, err := multiValues("request.params", b.GetRequest().GetParams())
	if err != nil {
		return err
	}
	headers, err := multiValues("request.headers", b.GetRequest().GetHeaders())
	if err != nil {
		return err
	}
	lower := make(map[string][]string, len(headers))
	for name, values := range headers {
		lower[strings.ToLower(name)] = values
	}
	s.input = rules.Input{
		Login: b.GetLogin(),
		Request: rules.Request{
			Params: params, Headers: lower, IP: b.GetRequest().GetIp(), Path: b.GetRequest().GetPath(),
			Method: b.GetRequest().GetMethod(), Scheme: b.GetRequest().GetScheme(), ID: b.GetRequest().GetId(),
		},
		Attributes: b.GetContext().GetAttributes().AsMap(),
		Domain:     rules.NewDomain(rules.DomainFields{ID: s.domain.GetId(), Name: s.domain.GetName(), Path: s.domain.GetPath()}),
	}
	if b.GetUser() != nil {
		s.input.User = b.GetUser().AsMap()
	}
	if b.GetProfile() != nil {
		s.input.Profile = b.GetProfile().AsMap()
	}
	if s.application != nil {
		s.input.Client = selection.ClientOf(s.application)
	}
	if answer := b.GetResponse(); answer != nil {
		if s.input.Response, err = responseOf(answer); err != nil {
			return err
		}
	}
	return nil
}

func responseOf(answer *managementv1.SampleResponse) (*rules.Response, error) {
	headers, err := multiValues("response.headers", answer.GetHeaders())
	if err != nil {
		return nil, err
	}
	lower := make(map[string][]string, len(headers))
	for name, values := range headers {
		lower[strings.ToLower(name)] = values
	}
	out := &rules.Response{Status: int(answer.GetStatus()), Headers: lower, Body: answer.GetBody()}
	var v structpb.Value
	if v.UnmarshalJSON([]byte(answer.GetBody())) == nil {
		out.JSON = v.AsInterface()
	}
	return out, nil
}

// multiValues reads names with a text or a list of texts each.
func multiValues(path string, given *structpb.Struct) (map[string][]string, error) {
	all := make(map[string][]string, len(given.GetFields()))
	for _, name := range slices.Sorted(maps.Keys(given.GetFields())) {
		wrong := constraint(prototree.Member(path, name), "", "must be a string or a list of strings")
		switch v := given.GetFields()[name].GetKind().(type) {
		case *structpb.Value_StringValue:
			all[name] = []string{v.StringValue}
		case *structpb.Value_ListValue:
			values := []string{}
			for _, entry := range v.ListValue.GetValues() {
				text, ok := entry.GetKind().(*structpb.Value_StringValue)
				if !ok {
					return nil, wrong
				}
				values = append(values, text.StringValue)
			}
			all[name] = values
		default:
			return nil, wrong
		}
	}
	return all, nil
}

// candidate is a provider in its place at the application.
type candidate struct {
	entry    *configv1.ApplicationIdentityProvider
	provider *configv1.IdentityProvider
	fields   *rules.IdentityProvider
	rule     *rules.Rule
	// broken is why a stored rule does not compile. Gateways take it for false.
	broken error
}

// IsExternal implements selection.Candidate.
func (c *candidate) IsExternal() bool { return c.provider.GetExternal() }

// SelectionRule implements selection.Candidate.
func (c *candidate) SelectionRule() *rules.Rule { return c.rule }

// RuleFields implements selection.Candidate.
func (c *candidate) RuleFields() *rules.IdentityProvider { return c.fields }

// candidates returns the providers in the order in which they are looked at. The body's own rules must compile.
func (s *sample) candidates() ([]*candidate, error) {
	own := s.body.GetIdentityProviders()
	list := own
	switch {
	case len(own) > maxSampled:
		return nil, constraint("identityProviders", "", "must have at most 200 entries")
	case own == nil && s.application == nil:
		return nil, constraint("application", "", "must not be null where there are neither identityProviders nor an expression")
	case own == nil:
		list = s.application.GetIdentityProviders()
	}
	var all []*candidate
	for i, entry := range list {
		path := prototree.Index("identityProviders", i)
		provider := s.providers[entry.GetIdentity()]
		if provider == nil {
			if own == nil {
				continue // deleted; gateways leave it out
			}
			text := "Identity Provider [" + entry.GetIdentity() + "] can not be found."
			return nil, fault.Invalidf("%s", text).At(path+".identity", text)
		}
		c := &candidate{entry: entry, provider: provider, fields: selection.ProviderOf(provider)}
		var err error
		if c.rule, err = rules.CompileRule(rules.SelectionRule, entry.GetSelectionRule()); err != nil {
			if own != nil {
				return nil, badExpression(path+".selectionRule", err)
			}
			if c.rule, c.broken = neverHolds, err; neverHolds == nil {
				continue
			}
		}
		all = append(all, c)
	}
	return selection.Order(all, func(c *candidate) int32 { return c.entry.GetPriority() }), nil
}

// neverHolds is a rule that does not hold.
var neverHolds, _ = rules.CompileRule(rules.SelectionRule, "false")

// decide tells what a gateway would do.
func (s *sample) decide(ctx context.Context, candidates []*candidate) *managementv1.RuleDecision {
	settings := selection.SettingsOf(s.domain, s.application)
	if s.body.IdentifierFirst != nil {
		settings.IdentifierFirst = s.body.GetIdentifierFirst()
	}
	if s.body.SelectionRulesOnLoginPage != nil {
		settings.RulesOnLoginPage = s.body.GetSelectionRulesOnLoginPage()
	}
	if s.body.HideForm != nil {
		settings.HideForm = s.body.GetHideForm()
	}
	x := selection.Explain(ctx, candidates, settings, s.input)
	out := &managementv1.RuleDecision{Outcome: string(x.Outcome)}
	if x.HasChosen {
		out.Chosen = x.Chosen.provider.GetId()
	}
	if x.Outcome == selection.Refused {
		out.Detail = "No identity provider found for client : " + s.application.GetSettings().GetOauth().GetClientId()
	}
	for _, c := range x.Asked {
		out.Asked = append(out.Asked, c.provider.GetId())
	}
	for i, v := range x.Verdicts {
		c := v.Candidate
		if c.broken != nil && v.Reason == selection.RuleFalse {
			v.Reason, v.Err = selection.RuleFailed, c.broken
		}
		d := &managementv1.ProviderDecision{
			Identity: c.provider.GetId(), Name: c.provider.GetName(), Type: selection.TypeOf(c.provider), External: c.IsExternal(),
			Priority: c.entry.GetPriority(), SelectionRule: c.entry.GetSelectionRule(), Taken: v.Taken,
			Reason: string(v.Reason), Detail: v.Reason.Sentence(), Waiting: selection.Waits(c.provider),
		}
		if v.Err != nil {
			d.Fault = faultOf(prototree.Index("providers", i)+".selectionRule", v.Err)
		}
		out.Providers = append(out.Providers, d)
	}
	return out
}

// value evaluates a single expression. The answer is a tree, because numbers are to keep their digits.
func (s *sample) value(ctx context.Context) (prototree.Object, error) {
	place, err := placeNamed(s.body.GetPlace())
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(s.body.GetExpression()) == "" {
		return nil, constraint("expression", "", "must not be blank")
	}
	if id := s.body.GetIdentityProvider(); id != "" {
		provider := s.providers[id]
		if provider == nil {
			text := "Identity Provider [" + id + "] can not be found."
			return nil, fault.Invalidf("%s", text).At("identityProvider", text)
		}
		s.input.IdentityProvider = selection.ProviderOf(provider)
	}
	var value any
	var failed error
	if place.Decides() {
		rule, err := rules.CompileRule(place, s.body.GetExpression())
		if err != nil {
			return nil, badExpression("expression", err)
		}
		value, failed = rule.Holds(ctx, &s.input) // a rule that fails is false
	} else {
		template, err := rules.CompileTemplate(place, s.body.GetExpression())
		if err != nil {
			return nil, badExpression("expression", err)
		}
		value, failed = template.Value(ctx, &s.input)
	}
	out := &managementv1.RuleDecision{}
	if failed != nil {
		out.Fault = faultOf("expression", failed)
	}
	tree, err := prototree.Management.Encode(out)
	if err != nil {
		return nil, err
	}
	if value != nil {
		tree["value"] = value
	}
	return tree, nil
}
