package gatehouse

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/http"
	"text/template"
	"time"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/demo"
)

// askEvery is how often a service is asked whether it is ready.
const askEvery = 50 * time.Millisecond

// servedWithin is how long the gateway may take to serve the demonstration domain.
const servedWithin = 15 * time.Second

//go:embed welcome.txt
var welcomeText string

var welcomePage = template.Must(template.New("welcome").Parse(welcomeText))

// greeting is what the text says.
type greeting struct {
	Config
	ManagementURL      string
	GatewayTechnical   string
	DataDir            string
	DemoURL            string
	Mails              string // where e-mails are kept; empty where they are delivered
	Embedded           bool   // Redis is in this process
	DefaultCredentials bool
	Demonstration      *demo.Demonstration
	NoDemonstration    string // why there is none
}

// welcome waits until everything is ready, makes the demonstration where it is missing and says what can be done.
func (s *services) welcome(ctx context.Context, out io.Writer) error {
	api := &demo.API{
		URL:      urlOf(s.management.Addr()) + "/management",
		Name:     s.config.OperatorName,
		Password: s.config.OperatorPassword.Reveal(),
	}
	if err := await(ctx, urlOf(s.management.TechnicalAddr())+"/readyz"); err != nil {
		return err
	}
	if err := s.checkOperator(ctx, api.URL); err != nil {
		return err
	}
	g := greeting{
		Config:             s.config,
		ManagementURL:      urlOf(s.config.ManagementAddress),
		GatewayTechnical:   urlOf(s.config.TechnicalAddress),
		DataDir:            s.dir.path,
		DemoURL:            urlOf(s.config.DemoAddress),
		Embedded:           s.embeddedRedis,
		DefaultCredentials: s.config.OperatorPassword.Reveal() == developmentPassword,
	}
	if s.config.keepsMails {
		g.Mails = s.dir.mails()
	}
	if s.config.Demo {
		var err error
		if g.Demonstration, err = s.demonstration(ctx, api); err != nil {
			g.NoDemonstration = err.Error()
		}
	}
	if err := await(ctx, urlOf(s.gateway.TechnicalAddr())+"/readyz"); err != nil {
		return err
	}
	var text bytes.Buffer
	err := welcomePage.Execute(&text, g)
	if err == nil {
		_, err = out.Write(text.Bytes()) // as a whole, not between records of the log
	}
	if err != nil {
		return fmt.Errorf("say what can be done: %w", err)
	}
	return nil
}

// demonstration returns the demonstration once the gateway serves it.
func (s *services) demonstration(ctx context.Context, api *demo.API) (*demo.Demonstration, error) {
	d, err := demo.Ensure(ctx, api, s.dir.demoFile(), s.webapp.RedirectURI(), s.webapp.URL())
	if err := errors.Join(err, api.SignOut(ctx)); err != nil {
		return nil, err
	}
	s.webapp.Use(s.config.PublicURL+d.Domain.Path+"/oidc", d.Web.ClientID, d.Web.ClientSecret)
	ctx, cancel := context.WithTimeout(ctx, servedWithin)
	defer cancel()
	if err := await(ctx, s.config.PublicURL+d.Domain.Path+"/oidc/.well-known/openid-configuration"); err != nil {
		return nil, fmt.Errorf("the gateway does not serve the domain %s; without %s another one is made", d.Domain.ID, s.dir.demoFile())
	}
	return d, nil
}

// checkOperator refuses to go on where other machines can reach something and the operator of this data still has the
// password that everybody knows: what was configured has no effect once there is an operator.
func (s *services) checkOperator(ctx context.Context, apiURL string) error {
	exposed := s.config.exposed()
	if exposed == nil {
		return nil
	}
	for _, name := range []string{developmentOperator, s.config.OperatorName} {
		known := &demo.API{URL: apiURL, Name: name, Password: developmentPassword}
		switch err := known.SignIn(ctx); {
		case err == nil:
			_ = known.SignOut(ctx) // nothing will listen any more
			return fmt.Errorf("--%s %s can be reached from other machines, and the operator %s in %s has the password everybody knows; begin with another --data-dir",
				exposed.flag, exposed.address, name, s.dir.path)
		case !errors.Is(err, demo.ErrCredentials):
			return err
		}
	}
	return nil
}

// await asks a URL until it answers 200.
func await(ctx context.Context, url string) error {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		if answers(ctx, url) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func answers(ctx context.Context, url string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<20))
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}
