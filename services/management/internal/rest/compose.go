package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
)

const (
	// composeTime is how long a composition with a key is worked at, whether or not its caller still waits.
	composeTime = 20 * time.Second
	// sampled is how many people an answer names.
	sampled = 5
	// maxKey bounds an Idempotency-Key, in characters.
	maxKey = 255
)

func mountCompose(m *Mux) {
	x := &compositions{m, m.api.Editor}
	m.Handle("POST "+catalog.Applications.Collection()+"/_compose", "application:create", x.compose, operation.Operation{
		ID: "composeApplication", Summary: "Create an application with its provider, bindings, entitlements and heading, all or nothing.",
		Details: "Everything that is wrong is told at once. The answer has the client secret this once. With the header `Idempotency-Key` the same request " +
			"can be repeated for 24 hours and answers the same, with secrets for 15 minutes. A dry run answers 200 without identifiers and secrets.",
		Body: &managementv1.Composition{}, Status: http.StatusCreated, DryRun: true, Answer: &managementv1.Composed{},
	})
}

type compositions struct {
	mux    *Mux
	editor *editor.Editor
}

func (x *compositions) compose(w http.ResponseWriter, r *http.Request) error {
	dry := editor.DryRun(r.Context())
	body, err := x.mux.Body(r)
	if err != nil {
		return err
	}
	if err := mayCompose(r.Context(), body); err != nil {
		return err
	}
	asked, err := readComposition(body)
	if err != nil {
		return err
	}
	key := r.Header.Get("Idempotency-Key")
	if dry || len(r.Header.Values("Idempotency-Key")) == 0 {
		made, err := x.editor.Compose(r.Context(), placeOf(r), asked, dry)
		if err != nil {
			return err
		}
		tree, err := x.answer(r.Context(), made.Application, made.Heading, made.ClientSecret, made.Warnings)
		if err != nil {
			return err
		}
		if dry {
			return x.mux.JSON(w, http.StatusOK, withoutIdentifiers(tree, asked))
		}
		return x.created(w, r, tree, false)
	}
	if len(r.Header.Values("Idempotency-Key")) > 1 || !validKey(key) {
		return fault.Invalidf("The header Idempotency-Key must be one value of 1 to 255 visible characters")
	}
	return x.attempt(w, r, key, body, asked)
}

func validKey(key string) bool {
	if key == "" || len(key) > maxKey {
		return false
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return false
		}
	}
	return true
}

// attempt answers a request that may be repeated.
func (x *compositions) attempt(w http.ResponseWriter, r *http.Request, key string, body prototree.Object, asked editor.Composition) error {
	canonical, err := json.Marshal(body)
	if err != nil {
		return err
	}
	who, _ := operator.From(r.Context())
	at := placeOf(r)
	begun, answered, err := x.editor.BeginAttempt(r.Context(), at.Domain, who.ID, key, secret.HashToken(string(canonical)))
	if errors.Is(err, editor.ErrTwin) {
		w.Header().Set("Retry-After", "1")
	}
	if err != nil {
		return err
	}
	if answered != nil {
		tree, err := prototree.Parse(answered)
		if err != nil {
			return err
		}
		return x.created(w, r, tree, true)
	}
	// The caller may hang up; what was begun ends all the same, and who asks again gets its answer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), composeTime)
	defer cancel()
	tree, err := x.make(ctx, at, begun, asked)
	if err != nil {
		begun.Fail(ctx, err)
		return err
	}
	whole, err := json.Marshal(tree)
	if err != nil {
		return err
	}
	copied, err := prototree.Parse(whole)
	if err != nil {
		return err
	}
	masked, err := json.Marshal(withSecret(copied, prototree.Mask))
	if err != nil {
		return err
	}
	if err := begun.Answer(ctx, whole, masked); err != nil {
		return err
	}
	return x.created(w, r, tree, false)
}

func (x *compositions) make(ctx context.Context, at editor.Place, begun *editor.Attempt, asked editor.Composition) (prototree.Object, error) {
	there, plain, err := begun.Made(ctx, at, asked)
	if err != nil {
		return nil, err
	}
	if there != nil {
		return x.answer(ctx, there, nil, plain, catalog.AccessWarnings(there, "bindings", x.editor.Now()))
	}
	asked.ID = begun.Application()
	made, err := x.editor.Compose(ctx, at, asked, false)
	if err != nil {
		return nil, err
	}
	return x.answer(ctx, made.Application, made.Heading, made.ClientSecret, made.Warnings)
}

// mayCompose refuses a body with a kind of thing that the caller may not create, before anything is looked up.
func mayCompose(ctx context.Context, body prototree.Object) error {
	o, asked := operator.From(ctx)
	if !asked {
		return nil
	}
	application, _ := body["application"].(prototree.Object)
	_, heading := application["group"].(prototree.Object)
	for _, kind := range []struct {
		path, permission string
		present          bool
	}{
		{"application.group", "application_group:create", heading},
		{"provider", "application:create", body["provider"] != nil},
		{"bindings", "binding:create", body["bindings"] != nil},
		{"entitlements", "entitlement:create", body["entitlements"] != nil},
	} {
		if kind.present && !o.Allows(kind.permission) {
			return fault.Deniedf("Permission denied: %s needs %s", kind.path, kind.permission).At(kind.path, "needs "+kind.permission)
		}
	}
	return nil
}

// readComposition reads a body. What is malformed is refused at once; everything else that is wrong is noted.
func readComposition(body prototree.Object) (editor.Composition, error) {
	var c editor.Composition
	if body["backchannelProviders"] != nil {
		c.Faults.Refuse("backchannelProviders", "is not available yet")
		body = copyWithout(body, "backchannelProviders")
	}
	var asked managementv1.Composition
	if err := prototree.Management.Decode(body, &asked); err != nil {
		if e, ok := errors.AsType[*prototree.Error](err); !ok || !e.Strangers() {
			return c, err
		}
		if err := c.Faults.Take("", err); err != nil {
			return c, err
		}
	}
	a := asked.GetApplication()
	if a == nil {
		return c, constraint("application", "", "must not be null")
	}
	c.Application = &configv1.Application{
		Name: a.GetName(), Slug: a.GetSlug(), Description: a.GetDescription(), Publisher: a.GetPublisher(), LaunchUrl: a.GetLaunchUrl(),
		OpenInNewTab: a.GetOpenInNewTab(), Enabled: a.Enabled, Hidden: a.GetHidden(), Access: a.GetAccess(), ClaimMappings: a.GetClaimMappings(),
		Metadata: a.GetMetadata(), IdentityProviders: a.GetIdentityProviders(), Certificate: a.GetCertificate(),
	}
	switch group := a.GetGroup().AsInterface().(type) {
	case nil:
	case string:
		c.Application.Group = group
	case map[string]any:
		application, _ := body["application"].(prototree.Object)
		tree, _ := application["group"].(prototree.Object)
		c.Heading = &configv1.ApplicationGroup{}
		err := prototree.Management.Decode(copyWithout(tree, "id", "domain", "revision", "createdAt", "updatedAt"), c.Heading)
		if err := c.Faults.Take("application.group", err); err != nil {
			return c, err
		}
	default:
		c.Faults.Refuse("application.group", "must be the id of an application group, or an object with the name of a new one")
	}
	c.Provider, c.Bindings = asked.GetProvider(), asked.GetBindings()
	for i, b := range c.Bindings {
		if b.GetId() != "" {
			c.Faults.Refuse(fmt.Sprintf("bindings[%d].id", i), "is chosen by the server")
			b.Id = ""
		}
	}
	for _, e := range asked.GetEntitlements() {
		one := &configv1.Entitlement{Name: e.GetName(), Description: e.GetDescription(), Attributes: e.GetAttributes()}
		for _, b := range e.GetBindings() {
			one.Bindings = append(one.Bindings, &configv1.Binding{
				Group: b.GetGroup(), User: b.GetUser(), Negate: b.GetNegate(), Enabled: b.Enabled, ExpiresAt: b.GetExpiresAt(),
			})
		}
		c.Entitlements = append(c.Entitlements, one)
	}
	return c, nil
}

func copyWithout(tree prototree.Object, names ...string) prototree.Object {
	copied := make(prototree.Object, len(tree))
	for name, value := range tree {
		copied[name] = value
	}
	for _, name := range names {
		delete(copied, name)
	}
	return copied
}

// answer shows everything that there is of a composed application.
func (x *compositions) answer(ctx context.Context, a *configv1.Application, heading *configv1.ApplicationGroup, plain string, warnings []*managementv1.Warning) (prototree.Object, error) {
	effective := &managementv1.EffectiveAccess{Open: catalog.Open(a)}
	counts := editor.ReadsPeople(ctx)
	if counts {
		var err error
		if effective.People, err = x.editor.CountPeople(ctx, a); err != nil {
			return nil, err
		}
		if effective.Sample, err = x.editor.SamplePeople(ctx, a, sampled); err != nil {
			return nil, err
		}
	}
	out := &managementv1.Composed{
		Application: a, Group: heading, Bindings: veiledAll(ctx, a.GetBindings()), Revision: a.GetRevision(), Warnings: warnings,
		EffectiveAccess: effective,
	}
	if catalog.ClientID(a) != "" {
		out.Provider = providerOf(a)
	}
	for _, e := range a.GetEntitlements() {
		one := &managementv1.ComposedEntitlement{Id: e.GetId(), Name: e.GetName(), Description: e.GetDescription(), Attributes: e.GetAttributes()}
		for _, b := range e.GetBindings() {
			one.Bindings = append(one.Bindings, &managementv1.EntitlementBinding{
				Id: b.GetId(), Group: b.GetGroup(), User: b.GetUser(), Negate: b.GetNegate(), Enabled: b.Enabled, ExpiresAt: b.GetExpiresAt(),
				Name: named(ctx, b), Orphaned: b.GetOrphaned(), CreatedAt: b.GetCreatedAt(),
			})
		}
		out.Entitlements = append(out.Entitlements, one)
	}
	tree, err := prototree.Management.Encode(out)
	if err != nil {
		return nil, err
	}
	if application, ok := tree["application"].(prototree.Object); ok {
		opened(application, a)
	}
	if shown, ok := tree["effectiveAccess"].(prototree.Object); ok && !counts {
		delete(shown, "people")
		delete(shown, "sample")
	}
	if plain != "" {
		withSecret(tree, plain)
	}
	return tree, nil
}

// withSecret puts the client secret into an answer that has a place for it.
func withSecret(tree prototree.Object, plain string) prototree.Object {
	if provider, ok := tree["provider"].(prototree.Object); ok {
		if configuration, ok := provider["configuration"].(prototree.Object); ok {
			configuration["clientSecret"] = plain
		}
	}
	if application, ok := tree["application"].(prototree.Object); ok {
		if oauth := oauthOf(application); oauth != nil {
			oauth["clientSecret"] = plain
		}
	}
	return tree
}

// created answers with what was made, now or when the request came first.
func (x *compositions) created(w http.ResponseWriter, r *http.Request, tree prototree.Object, again bool) error {
	application, _ := tree["application"].(prototree.Object)
	id, _ := application["id"].(string)
	w.Header().Set("Location", x.mux.beside(r, id))
	if again {
		w.Header().Set("Idempotency-Replayed", strconv.FormatBool(true))
	}
	return x.mux.JSON(w, http.StatusCreated, tree)
}

// withoutIdentifiers takes out of an answer what a dry run has only made up.
func withoutIdentifiers(tree prototree.Object, asked editor.Composition) prototree.Object {
	given := map[string]bool{asked.Application.GetGroup(): true, asked.Provider.GetConfiguration().GetClientId(): true}
	delete(tree, "revision")
	made := []any{tree["application"], tree["group"], tree["provider"]}
	list, _ := tree["bindings"].([]any)
	made = append(made, list...)
	entitlements, _ := tree["entitlements"].([]any)
	for _, e := range entitlements {
		if one, ok := e.(prototree.Object); ok {
			inner, _ := one["bindings"].([]any)
			made = append(append(made, one), inner...)
		}
	}
	for _, m := range made {
		one, ok := m.(prototree.Object)
		if !ok {
			continue
		}
		for _, name := range []string{"id", "revision", "createdAt", "updatedAt", "secrets", "secretSettings", "application"} {
			delete(one, name)
		}
		if group, ok := one["group"].(string); ok && asked.Heading != nil && !given[group] && one["slug"] != nil {
			delete(one, "group")
		}
		for _, client := range []any{one["configuration"], any(oauthOf(one))} {
			if o, ok := client.(prototree.Object); ok && o != nil {
				if id, _ := o["clientId"].(string); !given[id] && asked.Provider.GetId() == "" {
					delete(o, "clientId")
				}
				delete(o, "clientSecret")
			}
		}
	}
	return tree
}
