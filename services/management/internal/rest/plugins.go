package rest

import (
	"net/http"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/comment"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
	"github.com/gatehouse-am/gatehouse/services/management/internal/schema"
)

// mountPlugins adds what there is to choose from: the types of identity provider and of certificate.
func mountPlugins(m *Mux) {
	for _, kind := range []struct {
		path, what, title string
		types             []catalog.PluginType
	}{
		{"identities", "identity provider", catalog.IdentityProviders.Title, catalog.ProviderTypes()},
		{"certificates", "certificate", catalog.Certificates.Title, catalog.CertificateTypes()},
	} {
		x := &plugins{mux: m, title: kind.title, types: kind.types}
		path := "/platform/plugins/" + kind.path
		m.HandleWhole("GET "+path, AnyOperator, x.list, operation.Operation{
			Summary: "List the types of " + kind.what + ".", Answer: &managementv1.PluginType{}, Shape: operation.Array,
		})
		m.HandleWhole("GET "+path+"/{plugin}", AnyOperator, x.read, operation.Operation{
			Summary: "Read a type of " + kind.what + ".", Answer: &managementv1.PluginType{},
		})
		m.HandleWhole("GET "+path+"/{plugin}/schema", AnyOperator, x.schema, operation.Operation{
			Summary: "Read the JSON Schema of the configuration of a type of " + kind.what + ".",
			Details: "It describes the object; the member `configuration` also takes its JSON text.",
			Answer:  &structpb.Struct{},
		})
	}
}

type plugins struct {
	mux   *Mux
	title string
	types []catalog.PluginType
}

func (x *plugins) list(w http.ResponseWriter, _ *http.Request) error {
	all := make([]*managementv1.PluginType, len(x.types))
	for i, t := range x.types {
		all[i] = pluginOf(t)
	}
	return writeList(x.mux, w, all)
}

func (x *plugins) find(r *http.Request) (catalog.PluginType, error) {
	id := r.PathValue("plugin")
	for _, t := range x.types {
		if t.ID == id {
			return t, nil
		}
	}
	return catalog.PluginType{}, fault.NotFoundf("%s Plugin [%s] can not be found.", x.title, id)
}

func (x *plugins) read(w http.ResponseWriter, r *http.Request) error {
	t, err := x.find(r)
	if err != nil {
		return err
	}
	return writeMessage(x.mux, w, pluginOf(t))
}

func (x *plugins) schema(w http.ResponseWriter, r *http.Request) error {
	t, err := x.find(r)
	if err != nil {
		return err
	}
	set := schema.NewSet("#/$defs/", comment.Of)
	whole := set.Message(t.Configuration)
	whole["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	whole["title"] = t.Name
	if t.Required != nil {
		whole["required"] = t.Required
	}
	if used := set.Definitions(); len(used) > 0 {
		whole["$defs"] = used
	}
	return x.mux.JSON(w, http.StatusOK, whole)
}

func pluginOf(t catalog.PluginType) *managementv1.PluginType {
	return &managementv1.PluginType{
		Id: t.ID, Name: t.Name, Description: t.Description, External: t.External, Deployed: !t.Waiting,
	}
}
