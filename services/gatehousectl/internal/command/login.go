package command

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/gatehouse-am/gatehouse/services/gatehousectl/client"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/api"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/contexts"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/table"
)

// maxSecret bounds a secret that is read from a file, in bytes.
const maxSecret = 64 << 10

func (a *App) login() *cobra.Command {
	var user, passwordFile, tokenFile, name string
	c := &cobra.Command{
		Use: "login [URL]", Short: "Sign in, and remember it as a context", Args: between(0, 1, ""),
		Long: `Sign in with name and password, which are asked for at a terminal, or with a token that an operator was given. What is
kept is the token, in a file that only you can read; it is never printed. "-" as a file is standard input.

Without --token-file the password comes from --password-file, GATEHOUSECTL_PASSWORD or the terminal.`,
		Example: `  gatehousectl login http://localhost:8093 --user admin --password-file password.txt
  printf %s "$GATEHOUSE_PASSWORD" | gatehousectl login http://localhost:8093 --user admin --password-file - --name local`,
		RunE: func(cmd *cobra.Command, args []string) error {
			server := first(append(args, a.flags.server)...)
			if server == "" {
				return errors.New("where is management? gatehousectl login https://gatehouse.example.com")
			}
			kept := contexts.Context{PlainHTTP: a.flags.plain, Domain: *a.flags.in["domain"]}
			o := api.Options{Server: server, Timeout: a.flags.timeout, PlainHTTP: a.flags.plain, Agent: "gatehousectl/" + a.Version}
			if a.flags.caFile != "" {
				absolute, err := filepath.Abs(a.flags.caFile)
				if err != nil {
					return err
				}
				o.CAFile, kept.CAFile = absolute, absolute
			}
			conn, err := api.New(o)
			if err != nil {
				return err
			}
			kept.Server = conn.Options.Server
			if given := first(a.flags.token, a.Getenv("GATEHOUSECTL_TOKEN")); tokenFile != "" || given != "" && user == "" {
				kept.Token = given
				if tokenFile != "" {
					if kept.Token, err = a.secretFile(tokenFile); err != nil {
						return err
					}
				}
			} else {
				if kept.User, err = a.ask(user, "User: "); err != nil {
					return err
				}
				password, err := a.secret(passwordFile, "GATEHOUSECTL_PASSWORD", "Password: ")
				if err != nil {
					return err
				}
				if err := exchange(cmd.Context(), conn, &kept, password); err != nil {
					return err
				}
			}
			o.Token = kept.Token
			if kept.User, err = whoAmI(cmd.Context(), o); err != nil {
				return err
			}
			kept.Name = first(name, a.flags.context, hostOf(kept.Server))
			path, err := contexts.Path(a.flags.config)
			if err != nil {
				return err
			}
			err = contexts.Change(path, func(f *contexts.File) error {
				f.Put(kept)
				f.Current = kept.Name
				return nil
			})
			if err == nil {
				say(a.Out, "Signed in as %s; the context is %s.\n", kept.User, kept.Name)
			}
			return err
		},
	}
	c.Flags().StringVar(&user, "user", a.Getenv("GATEHOUSECTL_USER"), "name of the operator")
	c.Flags().StringVar(&passwordFile, "password-file", "", "file with the password; - is standard input")
	c.Flags().StringVar(&tokenFile, "token-file", "", "file with a token, instead of name and password")
	c.Flags().StringVar(&name, "name", "", "name of the context; default: the host")
	return c
}

// exchange gets a token for name and password.
func exchange(ctx context.Context, conn *api.Conn, kept *contexts.Context, password string) error {
	basic := func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(kept.User+":"+password)))
		return nil
	}
	answer, err := conn.Call(ctx, false, func(ctx context.Context) (*http.Response, error) {
		return conn.SignIn(ctx, &client.SignInParams{}, basic)
	})
	var p *api.Problem
	if errors.As(err, &p) && p.Status == http.StatusUnauthorized {
		return errors.New("name or password is wrong")
	}
	if err != nil {
		return err
	}
	kept.Token, _ = answer.Object()["access_token"].(string)
	if kept.Token == "" {
		return errors.New("management answers without a token")
	}
	expires, _ := answer.Object()["expires_at"].(string)
	kept.Expires, _ = time.Parse(time.RFC3339, expires)
	return nil
}

// whoAmI proves that a token is taken.
func whoAmI(ctx context.Context, o api.Options) (string, error) {
	conn, err := api.New(o)
	if err != nil {
		return "", err
	}
	answer, err := conn.Call(ctx, false, func(ctx context.Context) (*http.Response, error) { return conn.GetCurrentUser(ctx) })
	var p *api.Problem
	if errors.As(err, &p) && p.Status == http.StatusUnauthorized {
		return "", errors.New("the token is not taken: it has ended, or is for another management")
	}
	if err != nil {
		return "", err
	}
	name, _ := answer.Object()["preferred_username"].(string)
	return first(name, "an operator"), nil
}

func (a *App) logout() *cobra.Command {
	return &cobra.Command{
		Use: "logout", Short: "End the token of a context, and forget it", Args: nothing,
		Example: "  gatehousectl logout\n  gatehousectl logout --context local",
		RunE: func(cmd *cobra.Command, _ []string) error {
			file, err := a.openContexts()
			if err != nil {
				return err
			}
			c, err := file.Get(a.flags.context)
			if err != nil {
				return err
			}
			path, err := contexts.Path(a.flags.config)
			if err != nil {
				return err
			}
			err = contexts.Change(path, func(f *contexts.File) error {
				f.Remove(c.Name)
				if f.Current == c.Name {
					f.Current = ""
				}
				return nil
			})
			if err != nil {
				return err
			}
			say(a.Out, "The context %s is forgotten.\n", c.Name)
			conn, err := api.New(api.Options{
				Server: c.Server, Token: c.Token, CAFile: c.CAFile, Timeout: a.flags.timeout, PlainHTTP: c.PlainHTTP, Agent: "gatehousectl/" + a.Version,
			})
			if err == nil {
				_, err = conn.Call(cmd.Context(), false, func(ctx context.Context) (*http.Response, error) { return conn.SignOut(ctx) })
			}
			var p *api.Problem
			if errors.As(err, &p) && p.Status == http.StatusUnauthorized {
				return nil // it had ended already
			}
			if err != nil {
				return fmt.Errorf("the token could not be ended, and ends by itself%s: %w", when(c.Expires), err)
			}
			return nil
		},
	}
}

func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " at " + t.UTC().Format(time.RFC3339)
}

func (a *App) contexts() *cobra.Command {
	return within(&cobra.Command{Use: "context", Short: "With whom this command speaks, and as whom"}, &cobra.Command{
		Use: "list", Short: "List the contexts", Args: nothing, Example: "  gatehousectl context list\n  gatehousectl context list -o name",
		RunE: func(*cobra.Command, []string) error {
			file, err := a.openContexts()
			if err != nil {
				return err
			}
			return a.printContexts(file)
		},
	}, &cobra.Command{
		Use: "use NAME", Short: "Make a context the current one", Args: between(1, 1, "which context? `gatehousectl context list` lists them"), Example: "  gatehousectl context use local",
		ValidArgsFunction: a.completeContexts,
		RunE: func(_ *cobra.Command, args []string) error {
			path, err := contexts.Path(a.flags.config)
			if err != nil {
				return err
			}
			return contexts.Change(path, func(f *contexts.File) error {
				c, err := f.Get(args[0])
				if err != nil {
					return err
				}
				f.Current = c.Name
				if domain := *a.flags.in["domain"]; domain != "" {
					c.Domain = domain
					f.Put(c)
				}
				return nil
			})
		},
	})
}

// printContexts prints everything but tokens.
func (a *App) printContexts(file *contexts.File) error {
	t := table.Table{Columns: []string{"", "NAME", "SERVER", "USER", "DOMAIN", "EXPIRES"}}
	trees := []any{}
	for _, c := range file.Contexts {
		current, expires := "", "-"
		if c.Name == file.Current {
			current = "*"
		}
		if !c.Expires.IsZero() {
			expires = c.Expires.UTC().Format(time.RFC3339)
		}
		t.Rows = append(t.Rows, []string{current, c.Name, c.Server, c.User, first(c.Domain, "-"), expires})
		trees = append(trees, map[string]any{"name": c.Name, "server": c.Server, "user": c.User, "current": current != "", "expires": expires})
	}
	switch a.flags.output {
	case "table":
		return t.Write(a.Out, a.width())
	case "name":
		for _, row := range t.Rows {
			say(a.Out, "%s\n", row[1])
		}
		return nil
	}
	return a.printTree(trees)
}

func hostOf(server string) string {
	u, err := url.Parse(server)
	if err != nil {
		return server
	}
	return u.Host
}

// ask returns what was given, or asks for it.
func (a *App) ask(given, prompt string) (string, error) {
	if given != "" {
		return given, nil
	}
	if !a.asks() {
		return "", fmt.Errorf("%s is missing: there is no terminal to ask at, give it as a flag", strings.TrimSuffix(strings.ToLower(prompt), ": "))
	}
	say(a.Err, "%s", prompt)
	return a.line()
}

// secret comes from a file, a variable, or the terminal, where it is not shown.
func (a *App) secret(file, variable, prompt string) (string, error) {
	if file != "" {
		return a.secretFile(file)
	}
	if value := a.Getenv(variable); value != "" {
		return value, nil
	}
	if !a.asks() {
		return "", fmt.Errorf("%s is missing: there is no terminal to ask at, give it in a file or as %s", strings.TrimSuffix(strings.ToLower(prompt), ": "), variable)
	}
	say(a.Err, "%s", prompt)
	text, err := term.ReadPassword(int(a.In.Fd())) //nolint:gosec // a descriptor is no large number
	say(a.Err, "\n")
	return string(text), err
}

// secretFile reads a secret without the end of its line.
func (a *App) secretFile(path string) (string, error) {
	var in io.Reader = a.In
	if path != "-" {
		f, err := os.Open(path) //nolint:gosec // the user names it
		if err != nil {
			return "", err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxSecret))
	if err != nil {
		return "", err
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return secret, nil
}
