package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// Refused is an answer that is no success.
type Refused struct {
	Status  int
	Problem Problem
}

func (r *Refused) Error() string {
	return fmt.Sprintf("management answers %d: %s", r.Status, r.Problem.Message)
}

// SignIn returns a client for the API at a URL such as http://localhost:8093/management, on behalf of an operator. It fails
// with *Refused where name or password is wrong.
func SignIn(ctx context.Context, url, name, password string) (*ClientWithResponses, error) {
	visitor, err := NewClientWithResponses(url)
	if err != nil {
		return nil, err
	}
	basic := func(_ context.Context, r *http.Request) error {
		r.SetBasicAuth(name, password)
		return nil
	}
	answer, err := visitor.SignInWithResponse(ctx, &SignInParams{}, basic)
	if err != nil {
		return nil, err
	}
	if answer.JSON200 == nil {
		return nil, refused(answer)
	}
	token := answer.JSON200.AccessToken
	if token == nil {
		return nil, errors.New("management answers no token")
	}
	return NewClientWithResponses(url, WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+*token)
		return nil
	}))
}

// Answer is what the answers of all generated methods have.
type Answer interface {
	StatusCode() int
	GetBody() []byte
}

// Check returns the answer of a generated method if it is a success, and else the error or a *Refused:
//
//	made, err := client.Check(api.CreateDomainWithResponse(ctx, &client.CreateDomainParams{}, client.NewDomain{Name: &name}))
func Check[A Answer](a A, err error) (A, error) {
	if err == nil && a.StatusCode() >= http.StatusMultipleChoices {
		err = refused(a)
	}
	return a, err
}

func refused(a Answer) error {
	r := &Refused{Status: a.StatusCode()}
	_ = json.Unmarshal(a.GetBody(), &r.Problem) // without a body the status has to do
	return r
}
