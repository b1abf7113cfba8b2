package rest

import (
	"net/http"
	"strconv"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
	"github.com/gatehouse-am/gatehouse/services/management/internal/editor"
)

func (x *actions) listSecrets(w http.ResponseWriter, r *http.Request) error {
	found, err := editor.Read(r.Context(), x.editor, catalog.Applications, placeOf(r), r.PathValue("application"))
	if err != nil {
		return err
	}
	uses, err := x.editor.SecretUses(r.Context(), found)
	if err != nil {
		return err
	}
	entries := make([]prototree.Object, len(found.GetSecrets()))
	for i, secret := range found.GetSecrets() {
		if entries[i], err = prototree.Management.Encode(secret); err != nil {
			return err
		}
		if use := uses[secret.GetId()]; use != nil {
			entries[i]["lastUsedAt"] = use.At.UnixMilli()
			entries[i]["lastUsedBy"] = use.By
		}
	}
	return x.mux.JSON(w, http.StatusOK, entries)
}

// The days that the list of expiring secrets looks ahead.
const (
	defaultExpiringDays = 30
	mostExpiringDays    = 3660
)

// expiringSecrets lists what ends within some days, and what has ended, of a domain or of an environment.
func (x *actions) expiringSecrets(w http.ResponseWriter, r *http.Request) error {
	page, size, _, err := x.mux.Page(r, 0)
	if err != nil {
		return err
	}
	values, err := query(r)
	if err != nil {
		return err
	}
	days := defaultExpiringDays
	if text := values.Get("days"); text != "" {
		if days, err = strconv.Atoi(text); err != nil || days < 0 || days > mostExpiringDays {
			return constraint("days", text, "must be a whole number from 0 to 3660")
		}
	}
	until := x.editor.Now().AddDate(0, 0, days)
	found, total, err := x.editor.ExpiringSecrets(r.Context(), placeOf(r), until, page, size)
	if err != nil {
		return err
	}
	entries := make([]prototree.Object, len(found))
	for i, f := range found {
		m := &managementv1.ExpiringSecret{
			Domain: f.Application.GetDomain(), Application: f.Application.GetId(), ApplicationName: f.Application.GetName(),
			ClientId: catalog.ClientID(f.Application), Id: f.Secret.GetId(), Name: f.Secret.GetName(), ExpiresAt: f.Secret.GetExpiresAt(),
		}
		if f.Use != nil {
			m.LastUsedAt, m.LastUsedBy = timestamppb.New(f.Use.At), f.Use.By
		}
		if entries[i], err = prototree.Management.Encode(m); err != nil {
			return err
		}
	}
	return x.mux.List(w, page, total, entries)
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
