package config

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
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
	b.WriteString("\n  --help\n        print this and exit\n")
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

// Effective lists what a configuration says, by flag name and without secrets, for one record at the start.
func Effective[T any](config T) []slog.Attr {
	all, err := settings(reflect.ValueOf(&config).Elem())
	if err != nil {
		return []slog.Attr{slog.Any("err", err)}
	}
	attrs := make([]slog.Attr, len(all))
	for i, s := range all {
		attrs[i] = slog.String(s.name, show(s.value()))
	}
	return attrs
}

// Load is Parse for main functions: it reads the program's arguments and environment, and ends the program after
// printing help (status 0) or what is wrong (status 2).
func Load[T any](about string, defaults T) T {
	program := filepath.Base(os.Args[0])
	config, err := Parse(os.Args[1:], os.LookupEnv, defaults)
	switch {
	case errors.Is(err, ErrHelp):
		if err := Help(os.Stdout, program, about, defaults); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", program, err)
			os.Exit(2)
		}
		os.Exit(0)
	case err != nil:
		fmt.Fprintf(os.Stderr, "%s: %s\n", program, strings.ReplaceAll(err.Error(), "\n", "\n"+program+": "))
		os.Exit(2)
	}
	return config
}
