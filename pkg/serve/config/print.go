package config

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

// Help writes every flag with its help, default and variable. about is the sentence above them.
func Help[T any](w io.Writer, program, about string, defaults T) error {
	config := defaults
	all, err := settings(reflect.ValueOf(&config).Elem())
	if err != nil {
		return fmt.Errorf("configuration struct: %w", err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s [flags]\n\n%s\n\nFlags (each is also the environment variable beside it):\n", program, about)
	for _, s := range all {
		b.WriteString("\n")
		b.WriteString(describe(s))
	}
	fmt.Fprintf(&b, "\n  --%s FILE   (%sCONFIG)\n        settings by name, as YAML or JSON; a variable beats the file, a flag beats both\n", configFlag, prefix)
	fmt.Fprintf(&b, "  --%s\n        say everything that is wrong, or print the effective configuration without secrets, and exit\n", checkFlag)
	b.WriteString("  --help\n        print this and exit\n")
	_, err = io.WriteString(w, b.String())
	return err
}

func describe(s *setting) string {
	var b strings.Builder
	switch {
	case s.isSecret():
		fmt.Fprintf(&b, "  --%s-file FILE   (%s_FILE, or the secret itself in %s)\n", s.name, s.variable(), s.variable())
	case s.isURL():
		fmt.Fprintf(&b, "  --%s URL   (%s)\n  --%s-file FILE   (%s_FILE)\n", s.name, s.variable(), s.name, s.variable())
	case s.isBool():
		fmt.Fprintf(&b, "  --%s   (%s)\n", s.name, s.variable())
	default:
		fmt.Fprintf(&b, "  --%s %s   (%s)\n", s.name, placeholder(s.value()), s.variable())
	}
	fmt.Fprintf(&b, "        %s", s.help)
	if s.isURL() {
		b.WriteString("; with a password only by file or variable")
	}
	if text := show(s.value()); text != "" {
		fmt.Fprintf(&b, " (default %s)", text)
	}
	b.WriteString("\n")
	return b.String()
}

func placeholder(v reflect.Value) string {
	switch {
	case v.Type() == durationType:
		return "DURATION"
	case v.Kind() == reflect.Slice:
		return "A,B,…"
	case v.CanInt() && v.Type().PkgPath() == "", v.CanUint(), v.CanFloat():
		return "NUMBER"
	default:
		return "TEXT"
	}
}

// shown is a value without secrets: those have types of their own. Names say nothing: max-client-secrets is a number.
type shown string

// ShownInLogs keeps loggers that go by names from hiding the value.
func (s shown) ShownInLogs() string { return string(s) }

// Effective lists what a configuration says, by flag name and without secrets, for one record at the start.
func Effective[T any](config T) []slog.Attr {
	all, err := settings(reflect.ValueOf(&config).Elem())
	if err != nil {
		return []slog.Attr{slog.Any("err", err)}
	}
	attrs := make([]slog.Attr, len(all))
	for i, s := range all {
		attrs[i] = slog.Any(s.name, shown(show(s.value())))
	}
	return attrs
}

// writeEffective prints a configuration as a file that --config takes, with who says each value. What is secret is a comment.
func writeEffective(w io.Writer, all []*setting) error {
	var b strings.Builder
	for _, s := range all {
		source := s.source
		if source == "" {
			source = "default"
		}
		text := show(s.value())
		if s.isSecret() && text != "" || s.isURL() && redactURL(text) != string(s.value().Interface().(URL)) {
			fmt.Fprintf(&b, "# %s: %s  (%s)\n", s.name, text, source)
			continue
		}
		if s.isSecret() {
			fmt.Fprintf(&b, "# %s: none  (%s)\n", s.name, source)
			continue
		}
		fmt.Fprintf(&b, "%s: %s  # %s\n", s.name, s.yaml(), source)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// yaml is the value as YAML and JSON both have it.
func (s *setting) yaml() string {
	v := s.value()
	switch {
	case v.Kind() == reflect.Slice:
		items := make([]string, v.Len())
		for i := range items {
			items[i] = strconv.Quote(fmt.Sprint(v.Index(i).Interface()))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case placeholder(v) == "NUMBER", s.isBool():
		return show(v)
	}
	return strconv.Quote(show(v))
}

// Read is Parse for who needs one value, such as an address to ask: what is wrong elsewhere does not matter.
func Read[T any](args []string, env Environment, defaults T) T {
	r, _ := read(args, env, defaults)
	if r == nil {
		return defaults
	}
	return r.config
}

// Load is Parse for main functions: it reads the program's arguments, environment and configuration file, and ends the program
// after printing help (status 0) or everything that is wrong (status 2). With --check-config it also asks the checks, which may look
// at files and must contact nobody, and ends after printing the effective configuration (status 0).
func Load[T any](about string, defaults T, checks ...func(T) error) T {
	program := filepath.Base(os.Args[0])
	config, status := load(program, about, os.Args[1:], os.Environ(), os.Stdout, os.Stderr, defaults, checks)
	if status >= 0 {
		os.Exit(status)
	}
	return config
}

// load returns the status with which the program ends, or -1.
func load[T any](
	program, about string, args []string, env Environment, stdout, stderr io.Writer, defaults T, checks []func(T) error,
) (T, int) {
	r, err := read(args, env, defaults)
	if errors.Is(err, ErrHelp) {
		if err = Help(stdout, program, about, defaults); err == nil {
			return defaults, 0
		}
	}
	if err == nil && r.check {
		for _, check := range checks {
			err = errors.Join(err, sourced(check(r.config), r.all))
		}
	}
	switch {
	case err != nil:
		for line := range strings.SplitSeq(err.Error(), "\n") {
			_, _ = fmt.Fprintf(stderr, "%s: %s\n", program, line)
		}
		return defaults, 2
	case !r.check:
		return r.config, -1
	}
	if err := writeEffective(stdout, r.all); err != nil {
		_, _ = fmt.Fprintf(stderr, "%s: %v\n", program, err)
		return defaults, 2
	}
	return r.config, 0
}
