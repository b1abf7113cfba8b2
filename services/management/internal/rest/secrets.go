package rest

import (
	"net/http"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
)

func (x *actions) listSecrets(w http.ResponseWriter, r *http.Request) error {
	found, err := editor.Read(r.Context(), x.editor, catalog.Applications, placeOf(r), r.PathValue("application"))
	if err != nil {
		return err
	}
	entries := make([]prototree.Object, len(found.GetSecrets()))
	for i, secret := range found.GetSecrets() {
		if entries[i], err = prototree.Management.Encode(secret); err != nil {
			return err
		}
	}
	return x.mux.JSON(w, http.StatusOK, entries)
}

func (x *actions) addSecret(w http.ResponseWriter, r *http.Request) error {
	var body configv1.NewClientSecret
	if err := x.mux.decode(r, &body); err != nil {
		return err
	}
	made, plain, err := x.editor.AddSecret(r.Context(), placeOf(r), r.PathValue("application"), body.GetName())
	if err != nil {
		return err
	}
	w.Header().Set("Location", x.mux.Location(r, made.GetId()))
	return x.answerSecret(w, http.StatusCreated, made, plain)
}

func (x *actions) renewSecret(w http.ResponseWriter, r *http.Request) error {
	made, plain, err := x.editor.RenewSecret(r.Context(), placeOf(r), r.PathValue("application"), r.PathValue("secret"))
	if err != nil {
		return err
	}
	return x.answerSecret(w, http.StatusOK, made, plain)
}

// answerSecret shows the plain value of a secret, this once.
func (x *actions) answerSecret(w http.ResponseWriter, status int, made *configv1.ClientSecret, plain string) error {
	tree, err := prototree.Management.Encode(made)
	if err != nil {
		return err
	}
	tree["secret"] = plain
	return x.mux.JSON(w, status, tree)
}

func (x *actions) deleteSecret(w http.ResponseWriter, r *http.Request) error {
	err := x.editor.DeleteSecret(r.Context(), placeOf(r), r.PathValue("application"), r.PathValue("secret"))
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
