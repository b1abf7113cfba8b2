// Package command is the command line of gatehousectl: what can be said at it, and what it answers.
package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/api"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/contexts"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/document"
	"github.com/gatehouse-am/gatehouse/services/gatehousectl/internal/things"
)

// The statuses with which the command ends.
const (
	Done        = 0
	Differs     = 1 // of diff alone
	Failed      = 2
	Interrupted = 130
)

// errDiffers ends diff where something differs.
var errDiffers = errors.New("something differs")

// App is one run of the command.
type App struct {
	In       *os.File
	Out, Err io.Writer
	Getenv   func(string) string
	Version  string

	flags struct {
		server, token, context, caFile, config, output string
		timeout                                        time.Duration
		plain, noColour                                bool
		in                                             map[string]*string
	}
}

const about = `gatehousectl administers Gatehouse from the command line.

It reads and writes everything the management API has: tables for people, -o json and -o yaml for programs, files
in YAML or JSON for what is to be kept in version control.

Every flag of the connection is a variable as well: GATEHOUSECTL_SERVER, GATEHOUSECTL_TOKEN, GATEHOUSECTL_CONTEXT,
GATEHOUSECTL_DOMAIN, GATEHOUSECTL_CA_FILE, GATEHOUSECTL_TIMEOUT, GATEHOUSECTL_CONFIG. A flag wins over a variable, a
variable over the context.

It ends with 0 where all went well, 2 where something did not, and 130 where it was interrupted. diff ends with 0 where
nothing differs and 1 where something does.`

// Run runs the command with arguments and returns its status.
func (a *App) Run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return Done
	case errors.Is(err, errDiffers):
		return Differs
	}
	say(a.Err, "gatehousectl: %v\n", err)
	if strings.HasPrefix(err.Error(), "unknown command") { // cobra's own
		say(a.Err, "More: gatehousectl --help\n")
	}
	if ctx.Err() != nil {
		return Interrupted
	}
	return Failed
}

func (a *App) root() *cobra.Command {
	root := &cobra.Command{
		Use: "gatehousectl", Short: "Administer Gatehouse", Long: about, Version: a.Version,
		SilenceUsage: true, SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.checkOutput() },
	}
	root.SetVersionTemplate("gatehousectl {{.Version}}\n")
	f := root.PersistentFlags()
	f.StringVar(&a.flags.server, "server", a.Getenv("GATEHOUSECTL_SERVER"), "management's URL, such as https://gatehouse.example.com")
	f.StringVar(&a.flags.token, "token", "", "token of an operator; others on this machine may see flags, GATEHOUSECTL_TOKEN they do not")
	f.StringVar(&a.flags.context, "context", a.Getenv("GATEHOUSECTL_CONTEXT"), "context of gatehousectl login; default: the current one")
	f.StringVar(&a.flags.caFile, "ca-file", a.Getenv("GATEHOUSECTL_CA_FILE"), "certificates in PEM that are trusted instead of the system's")
	f.StringVar(&a.flags.config, "config", a.Getenv("GATEHOUSECTL_CONFIG"), "file of the contexts; default: in your folder for configuration")
	f.StringVarP(&a.flags.output, "output", "o", "table", "table, json, yaml or name")
	f.DurationVar(&a.flags.timeout, "timeout", a.defaultTimeout(), "for how long an answer is waited for")
	f.BoolVar(&a.flags.plain, "plain-http", false, "allow http:// to another machine")
	f.BoolVar(&a.flags.noColour, "no-colour", a.Getenv("NO_COLOR") != "", "no colours at a terminal")
	a.flags.in = map[string]*string{}
	for name, of := range map[string]string{
		"domain": "what lies in this domain, by name, hrid or id", "application": "what lies in this application",
		"entitlement": "what lies in this entitlement", "group": "what lies in this group", "user": "what belongs to this user or operator",
	} {
		a.flags.in[name] = f.String(name, a.Getenv("GATEHOUSECTL_"+strings.ToUpper(name)), of)
	}
	f.Lookup("domain").Shorthand = "d"
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml", "name"}, cobra.ShellCompDirectiveNoFileComp))
	_ = root.RegisterFlagCompletionFunc("context", a.completeContexts)
	for flag, kind := range map[string]string{"domain": "domains", "application": "applications", "entitlement": "entitlements", "group": "groups", "user": "users"} {
		_ = root.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
			return a.namesOf(cmd.Context(), kind, begun)
		})
	}
	root.SetFlagErrorFunc(wrongFlag)
	root.AddCommand(a.login(), a.logout(), a.contexts(), a.kinds(), a.get(), a.list(), a.apply(), a.diff(), a.delete(), a.export(), a.imports(), a.token(), a.audit(), a.gateways())
	return root
}

func (a *App) defaultTimeout() time.Duration {
	if d, err := time.ParseDuration(a.Getenv("GATEHOUSECTL_TIMEOUT")); err == nil && d > 0 {
		return d
	}
	return 30 * time.Second
}

// checkOutput refuses what can not be meant before anything is done.
func (a *App) checkOutput() error {
	if text := a.Getenv("GATEHOUSECTL_TIMEOUT"); text != "" {
		if d, err := time.ParseDuration(text); err != nil || d <= 0 {
			return fmt.Errorf("GATEHOUSECTL_TIMEOUT is %q, and is to be a time such as 30s", text)
		}
	}
	if a.flags.timeout <= 0 {
		return fmt.Errorf("--timeout %s: an answer takes more than nothing; say a time such as 30s", a.flags.timeout)
	}
	switch a.flags.output {
	case "table", "json", "yaml", "name":
		return nil
	}
	return fmt.Errorf("-o %s is nothing that is known: table, json, yaml, name", a.flags.output)
}

// connect prepares a connection as flags, variables and the context say.
func (a *App) connect() (*api.Conn, contexts.Context, error) {
	o := api.Options{
		Server: a.flags.server, Token: first(a.flags.token, a.Getenv("GATEHOUSECTL_TOKEN")), CAFile: a.flags.caFile,
		Timeout: a.flags.timeout, PlainHTTP: a.flags.plain, Agent: "gatehousectl/" + a.Version,
		Renew: "The token is that of --token or GATEHOUSECTL_TOKEN: give one that is valid, or none and sign in: gatehousectl login",
	}
	var c contexts.Context
	if o.Server == "" || o.Token == "" {
		file, err := a.openContexts()
		if err != nil {
			return nil, c, err
		}
		if c, err = file.Get(a.flags.context); err != nil {
			return nil, c, err
		}
		if o.Server != "" && o.Server != c.Server {
			if server, err := api.ServerURL(o.Server, o.PlainHTTP || c.PlainHTTP); err != nil || server != c.Server {
				return nil, c, fmt.Errorf("the token of context %s is for %s\nSign in at %s, or give a token for it: GATEHOUSECTL_TOKEN", c.Name, c.Server, o.Server)
			}
		}
		if o.Token == "" {
			o.Renew = "Sign in again: gatehousectl login " + c.Server + " --name " + c.Name
		}
		o.Server, o.Token = c.Server, first(o.Token, c.Token)
		o.CAFile, o.PlainHTTP = first(o.CAFile, c.CAFile), o.PlainHTTP || c.PlainHTTP
	}
	conn, err := api.New(o)
	return conn, c, err
}

// client is connect for the things of management.
func (a *App) client() (*things.Client, error) {
	conn, c, err := a.connect()
	if err != nil {
		return nil, err
	}
	if *a.flags.in["domain"] == "" {
		*a.flags.in["domain"] = c.Domain
	}
	return &things.Client{Conn: conn}, nil
}

// in says what things lie in, by the flags.
func (a *App) in() map[string]string {
	in := map[string]string{}
	for name, value := range a.flags.in {
		if *value != "" {
			in[name] = *value
		}
	}
	return in
}

func (a *App) openContexts() (*contexts.File, error) {
	path, err := contexts.Path(a.flags.config)
	if err != nil {
		return nil, err
	}
	return contexts.Open(path)
}

// printTree prints a value as JSON or YAML.
func (a *App) printTree(tree any) error {
	if a.flags.output == "yaml" {
		_, err := io.WriteString(a.Out, document.YAML(tree))
		return err
	}
	encoder := json.NewEncoder(a.Out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(tree)
}

// coloursShown reports whether the output goes to a terminal where colours are wanted.
func (a *App) coloursShown() bool {
	f, ok := a.Out.(*os.File)
	return ok && !a.flags.noColour && term.IsTerminal(int(f.Fd())) //nolint:gosec // a descriptor is no large number
}

// width is that of the terminal; 0 where the output goes elsewhere.
func (a *App) width() int {
	f, ok := a.Out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) { //nolint:gosec // a descriptor is no large number
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd())) //nolint:gosec // as above
	if err != nil {
		return 0
	}
	return width
}

// asks reports whether somebody sits at a terminal who can answer.
func (a *App) asks() bool {
	return a.In != nil && term.IsTerminal(int(a.In.Fd())) //nolint:gosec // a descriptor is no large number
}

// question asks at the terminal; anything but yes means no.
func (a *App) question(text string) (bool, error) {
	say(a.Err, "%s", text+" [y/N] ")
	answer, err := a.line()
	return strings.EqualFold(answer, "y") || strings.EqualFold(answer, "yes"), err
}

// line reads a line without what follows it.
func (a *App) line() (string, error) {
	var text []byte
	one := make([]byte, 1)
	for len(text) < 4096 {
		n, err := a.In.Read(one)
		if n == 1 && one[0] == '\n' {
			break
		}
		text = append(text, one[:n]...)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
	}
	return strings.TrimSpace(string(text)), nil
}

// say prints for people; where nobody listens there is nobody to tell.
func say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

func (a *App) completeContexts(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	file, err := a.openContexts()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, c := range file.Contexts {
		names = append(names, c.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
