package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Management is a client of the management REST API.
type Management struct {
	base   string
	token  string
	client *http.Client
}

// callPatience bounds one call.
const callPatience = 30 * time.Second

func newManagement(base string) *Management {
	return &Management{base: base, client: &http.Client{Timeout: callPatience}}
}

// Object is a JSON object as it is sent and received.
type Object = map[string]any

func (m *Management) signIn(ctx context.Context, name, password string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.base+"/management/auth/token", nil)
	if err != nil {
		return err
	}
	r.SetBasicAuth(name, password)
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := m.do(r, http.StatusOK, &answer); err != nil {
		return fmt.Errorf("sign in at management: %w", err)
	}
	if answer.AccessToken == "" {
		return errors.New("management answered without a token")
	}
	m.token = answer.AccessToken
	return nil
}

// Post creates something below /management and decodes the answer into v, unless that is nil.
func (m *Management) Post(ctx context.Context, path string, body, v any) error {
	return m.call(ctx, http.MethodPost, path, body, http.StatusCreated, v)
}

// Patch changes something below /management.
func (m *Management) Patch(ctx context.Context, path string, body, v any) error {
	return m.call(ctx, http.MethodPatch, path, body, http.StatusOK, v)
}

// Get reads something below /management.
func (m *Management) Get(ctx context.Context, path string, v any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, m.base+"/management"+path, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+m.token)
	if err := m.do(r, http.StatusOK, v); err != nil {
		return fmt.Errorf("GET /management%s: %w", path, err)
	}
	return nil
}

func (m *Management) call(ctx context.Context, method, path string, body any, status int, v any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, m.base+"/management"+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+m.token)
	if err := m.do(r, status, v); err != nil {
		return fmt.Errorf("%s /management%s: %w", method, path, err)
	}
	return nil
}

func (m *Management) do(r *http.Request, status int, v any) error {
	answer, err := m.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 4<<20))
	if err != nil {
		return err
	}
	if answer.StatusCode != status {
		return fmt.Errorf("status %d: %.500s", answer.StatusCode, body)
	}
	if v == nil {
		return nil
	}
	return json.Unmarshal(body, v)
}
