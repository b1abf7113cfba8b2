package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// ErrCredentials means that management does not know the operator or the password.
var ErrCredentials = errors.New("the operator's name and password are not those of this data")

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 4 << 20

// API is the management API as one operator uses it. It signs in when it is first used.
type API struct {
	URL            string // with /management
	Name, Password string

	token string
}

// Problem is a refusal by management.
type Problem struct {
	Status  int    `json:"http_status"`
	Message string `json:"message"`
}

func (p *Problem) Error() string {
	return fmt.Sprintf("management answers %d: %s", p.Status, p.Message)
}

// SignIn asks for a token. It fails with ErrCredentials where name and password are wrong.
func (a *API) SignIn(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.URL+"/auth/token", http.NoBody)
	if err != nil {
		return err
	}
	r.SetBasicAuth(a.Name, a.Password)
	var answer struct {
		Token string `json:"access_token"`
	}
	err = send(r, &answer)
	var p *Problem
	if errors.As(err, &p) && p.Status == http.StatusUnauthorized {
		return ErrCredentials
	}
	a.token = answer.Token
	return err
}

// SignOut ends the token, if there is one.
func (a *API) SignOut(ctx context.Context) error {
	if a.token == "" {
		return nil
	}
	err := a.call(ctx, http.MethodDelete, "/auth/token", nil, nil)
	a.token = ""
	return err
}

// call sends body, if any, as JSON and reads the answer into out, if any.
func (a *API) call(ctx context.Context, method, path string, body, out any) error {
	if a.token == "" {
		if err := a.SignIn(ctx); err != nil {
			return err
		}
	}
	var content io.Reader = http.NoBody
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, a.URL+path, content)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+a.token)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if err := send(r, out); err != nil {
		return fmt.Errorf("%s %s: %w", strings.ToLower(method), path, err)
	}
	return nil
}

func send(r *http.Request, out any) error {
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return err
	}
	if answer.StatusCode >= 300 {
		p := &Problem{Status: answer.StatusCode}
		_ = json.Unmarshal(text, p) // without a body the status has to do
		return p
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}
