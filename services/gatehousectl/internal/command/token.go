package command

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/api"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/kinds"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/things"
)

func (a *App) token() *cobra.Command {
	var grant, gateway, secretFile string
	var scopes, parameters []string
	var quiet bool
	c := &cobra.Command{
		Use: "token --application NAME", Short: "Get a token for an application at a gateway", Args: nothing,
		Long: `Get a token as an application: its client id and how it authenticates are looked up, its client secret is yours to give, in
--client-secret-file, as GATEHOUSECTL_CLIENT_SECRET or at the terminal, because management does not show it again. -q prints
the access token and nothing else.

Applications that authenticate with keys or certificates can not be played here.`,
		Example: `  gatehousectl token --domain acme --application Robot --client-secret-file robot-secret.txt -q
  gatehousectl token --domain acme --application Robot --client-secret-file robot-secret.txt --scope reports`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o := tokenRequest{grant: grant, gateway: gateway, scopes: scopes, parameters: parameters}
			answer, err := a.requestToken(cmd.Context(), o, secretFile)
			if err != nil {
				return err
			}
			token, _ := answer["access_token"].(string)
			if token == "" {
				return errors.New("the gateway answers without an access token")
			}
			if quiet {
				_, err := fmt.Fprintln(a.Out, token)
				return err
			}
			return a.printTree(answer)
		},
	}
	c.Flags().StringVar(&grant, "grant", "client_credentials", "grant type")
	c.Flags().StringVar(&gateway, "gateway", "", "the gateways' URL; default: the entrypoint that management knows")
	c.Flags().StringVar(&secretFile, "client-secret-file", "", "file with the client secret; - is standard input")
	c.Flags().StringSliceVar(&scopes, "scope", nil, "scopes to ask for")
	c.Flags().StringArrayVar(&parameters, "param", nil, "further parameter of the request, name=value; name=@file reads the value")
	c.Flags().BoolVarP(&quiet, "quiet", "q", false, "print the access token and nothing else")
	return c
}

type tokenRequest struct {
	grant, gateway     string
	scopes, parameters []string
}

func (a *App) requestToken(ctx context.Context, o tokenRequest, secretFile string) (things.Object, error) {
	if a.in()["application"] == "" {
		return nil, errors.New("a token for which application? Say --application; `gatehousectl list applications` lists them")
	}
	c, err := a.client()
	if err != nil {
		return nil, err
	}
	applications, err := kinds.Find("applications")
	if err != nil {
		return nil, err
	}
	domains, err := kinds.Find("domains")
	if err != nil {
		return nil, err
	}
	at, err := c.Place(ctx, applications, a.in())
	if err != nil {
		return nil, err
	}
	domain, err := c.Find(ctx, domains, nil, at[0])
	if err != nil {
		return nil, err
	}
	application, err := c.Find(ctx, applications, at, a.in()["application"])
	if err != nil {
		return nil, err
	}
	settings, _ := application.Tree["settings"].(things.Object)
	oauth, _ := settings["oauth"].(things.Object)
	id, _ := oauth["clientId"].(string)
	if id == "" {
		return nil, fmt.Errorf("application %q is no client: it has no client id", application.Name)
	}
	if o.gateway == "" {
		if o.gateway, err = a.entrypoint(ctx, c, at[0]); err != nil {
			return nil, err
		}
	}
	form := url.Values{"grant_type": {o.grant}}
	if len(o.scopes) > 0 {
		form.Set("scope", strings.Join(o.scopes, " "))
	}
	for _, parameter := range o.parameters {
		name, value, ok := strings.Cut(parameter, "=")
		if !ok {
			return nil, fmt.Errorf("--param %s is not name=value", parameter)
		}
		if file, isFile := strings.CutPrefix(value, "@"); isFile {
			if value, err = a.secretFile(file); err != nil {
				return nil, err
			}
		}
		form.Add(name, value)
	}
	path, _ := domain.Tree["path"].(string)
	method, _ := oauth["tokenEndpointAuthMethod"].(string)
	return a.ask4token(ctx, c.Conn.Options, strings.TrimRight(o.gateway, "/")+path+"/oauth/token", method, id, secretFile, form)
}

// ask4token sends the request as the application authenticates.
func (a *App) ask4token(ctx context.Context, o api.Options, endpoint, method, id, secretFile string, form url.Values) (things.Object, error) {
	if _, err := api.ServerURL(endpoint, o.PlainHTTP); err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"", "client_secret_basic", "client_secret_post", "none"}, method) {
		return nil, fmt.Errorf("the application authenticates by %s, with keys that this command does not have", method)
	}
	secret := ""
	if method != "none" {
		var err error
		if secret, err = a.secret(secretFile, "GATEHOUSECTL_CLIENT_SECRET", "Client secret: "); err != nil {
			return nil, err
		}
	}
	if method == "none" || method == "client_secret_post" {
		form.Set("client_id", id)
	}
	if method == "client_secret_post" {
		form.Set("client_secret", secret)
	}
	web, err := api.HTTPClient(o.CAFile)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, a.flags.timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", "gatehousectl/"+a.Version)
	if method == "" || method == "client_secret_basic" {
		r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret)) // RFC 6749 §2.3.1
	}
	answer, err := api.Read(ctx, func(context.Context) (*http.Response, error) { return web.Do(r) })
	var f *api.Failure
	switch o := answer.Object(); {
	case o["error"] != nil:
		return nil, fmt.Errorf("the gateway refuses: %v: %v", o["error"], o["error_description"])
	case errors.As(err, &f):
		f.Server, f.Timeout = endpoint, a.flags.timeout
		return nil, err
	case err != nil:
		return nil, err
	default:
		return o, nil
	}
}

// entrypoint is where management says that gateways are.
func (a *App) entrypoint(ctx context.Context, c *things.Client, domain string) (string, error) {
	answer, err := c.Conn.Call(ctx, false, func(ctx context.Context) (*http.Response, error) { return c.Conn.ListEntrypoints(ctx, domain) })
	if err != nil {
		return "", err
	}
	all, _ := answer.Tree.([]any)
	for _, entry := range all {
		if o, ok := entry.(things.Object); ok {
			if address, _ := o["url"].(string); address != "" {
				return address, nil
			}
		}
	}
	return "", errors.New("management does not know where the gateways are; say --gateway")
}
