package e2e

import (
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// TestGoClient lets coreos/go-oidc and golang.org/x/oauth2 do what an application in Go does.
func TestGoClient(t *testing.T) {
	ctx := t.Context()
	s := newSite(t, proc.StartGatehouse(t, "--demo=false"), "go")
	s.bob()
	web, service := s.web(), s.service("profile")
	s.settle()

	provider, err := oidc.NewProvider(ctx, s.issuer)
	if err != nil {
		t.Fatal(err)
	}
	config := oauth2.Config{
		ClientID: web.id, ClientSecret: web.secret, Endpoint: provider.Endpoint(), RedirectURL: callback,
		Scopes: []string{oidc.ScopeOpenID, "profile", "email"},
	}
	verifier := oauth2.GenerateVerifier()
	back, err := proc.NewVisitor(callback).LogIn(ctx,
		config.AuthCodeURL("the state", oidc.Nonce("the nonce"), oauth2.S256ChallengeOption(verifier)), "bob", bobPassword)
	if err != nil {
		t.Fatal(err)
	}
	if got := back.Query().Get("state"); got != "the state" {
		t.Errorf("state %q", got)
	}
	code := back.Query().Get("code")
	tokens, err := config.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}

	raw, _ := tokens.Extra("id_token").(string)
	idToken, err := provider.Verifier(&oidc.Config{ClientID: web.id}).Verify(ctx, raw)
	if err != nil {
		t.Fatal(err)
	}
	if idToken.Nonce != "the nonce" {
		t.Errorf("nonce %q", idToken.Nonce)
	}
	if err := idToken.VerifyAccessToken(tokens.AccessToken); err != nil {
		t.Errorf("at_hash: %v", err)
	}
	info, err := provider.UserInfo(ctx, config.TokenSource(ctx, tokens))
	if err != nil {
		t.Fatal(err)
	}
	if info.Subject != idToken.Subject || info.Email != bobEmail {
		t.Errorf("userinfo %q %q", info.Subject, info.Email)
	}

	refreshed, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: tokens.RefreshToken}).Token()
	if err != nil {
		t.Fatal(err)
	}
	if refreshed.AccessToken == tokens.AccessToken || refreshed.RefreshToken == tokens.RefreshToken {
		t.Error("the refresh brought nothing new")
	}

	// A code is worth one answer; trying again costs everything that came of it.
	if _, err := config.Exchange(ctx, code, oauth2.VerifierOption(verifier)); err == nil {
		t.Error("a code was redeemed twice")
	}
	if _, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: refreshed.RefreshToken}).Token(); err == nil {
		t.Error("the refresh token of a code that was redeemed twice still works")
	}

	machine := clientcredentials.Config{
		ClientID: service.id, ClientSecret: service.secret, TokenURL: provider.Endpoint().TokenURL, Scopes: []string{"profile"},
	}
	own, err := machine.Token(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if own.RefreshToken != "" || own.TokenType != "bearer" {
		t.Errorf("client_credentials brought %q, %q", own.TokenType, own.RefreshToken)
	}
	// An access token is a JWT that the same keys verify.
	if _, err := provider.Verifier(&oidc.Config{ClientID: service.id}).Verify(ctx, own.AccessToken); err != nil {
		t.Errorf("access token: %v", err)
	}
}
