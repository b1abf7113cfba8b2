package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

type object = map[string]any

// application is what is read of management's answers.
type application struct {
	ID       string `json:"id"`
	Settings struct {
		OAuth struct {
			ClientID     string `json:"clientId"`
			ClientSecret string `json:"clientSecret"`
		} `json:"oauth"`
	} `json:"settings"`
}

func (a application) client() Client {
	return Client{ID: a.ID, ClientID: a.Settings.OAuth.ClientID, ClientSecret: a.Settings.OAuth.ClientSecret}
}

// create makes everything but leaves the domain disabled, so that a half-made one is recognised at the next start.
func create(ctx context.Context, api *API, redirectURI, home string) (*Demonstration, error) {
	d := &Demonstration{User: User{Name: userName, Password: newPassword()}}
	if err := createDomain(ctx, api, &d.Domain); err != nil {
		return nil, err
	}
	within := "/domains/" + d.Domain.ID

	// The demonstration's web application is on this machine.
	if err := api.call(ctx, http.MethodPatch, within, object{"oidc": object{"clientRegistrationSettings": object{
		"allowLocalhostRedirectUri": true, "allowHttpSchemeRedirectUri": true,
	}}}, nil); err != nil {
		return nil, err
	}
	var people struct {
		ID string `json:"id"`
	}
	if err := api.call(ctx, http.MethodPost, within+"/identities", object{
		"name": "Demo people", "type": "inline-am-idp", "external": false,
		"configuration": object{"users": []object{{
			"firstname": "Alice", "lastname": "Liddell", "email": "alice@example.com",
			"username": d.User.Name, "password": d.User.Password,
		}}},
	}, &people); err != nil {
		return nil, err
	}

	var web, service application
	if err := api.call(ctx, http.MethodPost, within+"/applications", object{
		"name": "Demo application", "type": "WEB", "redirectUris": []string{redirectURI},
	}, &web); err != nil {
		return nil, err
	}
	d.Web = web.client()
	d.Web.RedirectURI = redirectURI
	settings := webAddresses(redirectURI, home)
	settings["identityProviders"] = []object{{"identity": people.ID}}
	oauth := settings["settings"].(object)["oauth"].(object)
	oauth["grantTypes"] = []string{"authorization_code", "refresh_token"}
	oauth["forcePKCE"] = true
	oauth["forceS256CodeChallengeMethod"] = true
	oauth["scopeSettings"] = []object{{"scope": "openid"}, {"scope": "profile"}, {"scope": "email"}}
	if err := api.call(ctx, http.MethodPatch, d.application(d.Web), settings, nil); err != nil {
		return nil, err
	}
	if err := api.call(ctx, http.MethodPost, within+"/applications", object{
		"name": "Demo service", "type": "SERVICE",
	}, &service); err != nil {
		return nil, err
	}
	d.Service = service.client()
	return d, nil
}

func webAddresses(redirectURI, home string) object {
	return object{"settings": object{"oauth": object{
		"redirectUris":           []string{redirectURI},
		"postLogoutRedirectUris": []string{home},
	}}}
}

// createDomain makes the domain. One that an interrupted start left half made is removed first.
func createDomain(ctx context.Context, api *API, made *Domain) error {
	body := object{"name": domainName, "description": description}
	err := api.call(ctx, http.MethodPost, "/domains", body, made)
	var p *Problem
	if !errors.As(err, &p) || p.Status != http.StatusBadRequest {
		return err
	}
	var found struct {
		ID          string `json:"id"`
		Description string `json:"description"`
		Enabled     bool   `json:"enabled"`
	}
	if reading := api.call(ctx, http.MethodGet, "/organizations/DEFAULT/environments/DEFAULT/domains/_hrid/"+domainName, nil, &found); reading != nil {
		return err
	}
	if found.Enabled || found.Description != description {
		return fmt.Errorf("there is a domain %q whose credentials are not known here", domainName)
	}
	if err := api.call(ctx, http.MethodDelete, "/domains/"+found.ID, nil, nil); err != nil {
		return err
	}
	return api.call(ctx, http.MethodPost, "/domains", body, made)
}
