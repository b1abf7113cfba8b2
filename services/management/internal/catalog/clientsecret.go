package catalog

import (
	"context"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/secret"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// DefaultMaxSecrets is how many client secrets an application may have where nothing else is configured.
const DefaultMaxSecrets = 10

const (
	firstSecretName = "Default"

	algorithmGenerated = "SHA-256"
	algorithmChosen    = "Argon2id"
)

// firstSecret gives a new application its first secret and returns the plain value: the chosen one, or a generated one.
func firstSecret(ctx context.Context, s *Scene, a *configv1.Application, chosen string) (string, error) {
	c := &configv1.ClientSecret{Id: secret.NewID(), Name: firstSecretName}
	if chosen == "" {
		plain := setGenerated(s, a, c)
		a.Secrets = append(a.Secrets, c)
		return plain, nil
	}
	hashed, err := s.hash(ctx, "clientSecret", chosen)
	if err != nil {
		return "", err
	}
	c.Hash = hashed
	c.SettingsId = secretSettings(a, algorithmChosen)
	s.remember(c.GetId(), chosen)
	stampSecret(s, a, c)
	a.Secrets = append(a.Secrets, c)
	return chosen, nil
}

// AddSecret gives an application another, generated secret and returns its plain value.
func AddSecret(s *Scene, a *configv1.Application, name string) (*configv1.ClientSecret, string, error) {
	name = strings.TrimSpace(name)
	if err := required("name", name); err != nil {
		return nil, "", err
	}
	if slices.ContainsFunc(a.GetSecrets(), func(c *configv1.ClientSecret) bool { return c.GetName() == name }) {
		return nil, "", fault.Invalidf("Secret with description %s already exists", name).At("name", "already exists")
	}
	if len(a.GetSecrets()) >= s.MaxSecrets {
		return nil, "", fault.Invalidf("Too many Client Secrets. Cannot create more than %d secrets", s.MaxSecrets)
	}
	c := &configv1.ClientSecret{Id: secret.NewID(), Name: name}
	plain := setGenerated(s, a, c)
	a.Secrets = append(a.Secrets, c)
	return c, plain, nil
}

// RenewSecret replaces the value of a secret by a generated one and returns it in plain.
func RenewSecret(s *Scene, a *configv1.Application, id string) (*configv1.ClientSecret, string, error) {
	i := secretIndex(a, id)
	if i < 0 {
		return nil, "", secretNotFound(id)
	}
	c := a.Secrets[i]
	plain := setGenerated(s, a, c)
	dropUnusedSettings(a)
	return c, plain, nil
}

// RemoveSecret takes a secret away from an application; the last one stays.
func RemoveSecret(a *configv1.Application, id string) error {
	i := secretIndex(a, id)
	if i < 0 {
		return secretNotFound(id)
	}
	if len(a.GetSecrets()) == 1 {
		return fault.Invalidf("Cannot remove last secret")
	}
	a.Secrets = slices.Delete(a.Secrets, i, i+1)
	dropUnusedSettings(a)
	return nil
}

func secretIndex(a *configv1.Application, id string) int {
	return slices.IndexFunc(a.GetSecrets(), func(c *configv1.ClientSecret) bool { return c.GetId() == id })
}

func secretNotFound(id string) error { return fault.NotFoundf("Secret [%s] can not be found.", id) }

func setGenerated(s *Scene, a *configv1.Application, c *configv1.ClientSecret) string {
	plain := secret.NewClientSecret()
	c.Hash, c.Key = secret.Generated(plain), nil
	s.remember(c.GetId(), plain)
	c.SettingsId = secretSettings(a, algorithmGenerated)
	stampSecret(s, a, c)
	return plain
}

// stampSecret sets when a secret was made and when it ends: the application's settings win over the domain's.
func stampSecret(s *Scene, a *configv1.Application, c *configv1.ClientSecret) {
	now := time.UnixMilli(s.Now.UnixMilli())
	c.CreatedAt, c.ExpiresAt = timestamppb.New(now), nil
	settings := a.GetSettings().GetSecretExpirationSettings()
	if !settings.GetEnabled() {
		settings = s.Domain.GetSecretSettings()
	}
	if seconds := settings.GetExpiryTimeSeconds(); settings.GetEnabled() && seconds > 0 {
		c.ExpiresAt = timestamppb.New(now.Add(time.Duration(min(seconds, maxExpirySeconds)) * time.Second))
	}
}

// maxExpirySeconds is about a thousand years; more does not fit into a time.
const maxExpirySeconds = 1000 * 366 * 24 * 3600

// secretSettings returns the identifier of the entry for an algorithm, which is made at its first use.
func secretSettings(a *configv1.Application, algorithm string) string {
	for _, s := range a.GetSecretSettings() {
		if s.GetAlgorithm() == algorithm {
			return s.GetId()
		}
	}
	made := &configv1.SecretSettings{Id: secret.NewID(), Algorithm: algorithm}
	a.SecretSettings = append(a.SecretSettings, made)
	return made.GetId()
}

func dropUnusedSettings(a *configv1.Application) {
	a.SecretSettings = slices.DeleteFunc(a.SecretSettings, func(s *configv1.SecretSettings) bool {
		return !slices.ContainsFunc(a.GetSecrets(), func(c *configv1.ClientSecret) bool { return c.GetSettingsId() == s.GetId() })
	})
}
