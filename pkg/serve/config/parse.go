package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
)

// ErrHelp is returned by [Parse] when the arguments ask for help.
var ErrHelp = errors.New("help requested")

// maxSecretFile bounds the file of a secret; a PEM bundle is far below.
const maxSecretFile = 64 << 10

// Environment looks a variable up, as [os.LookupEnv] does.
type Environment func(name string) (value string, found bool)

// Parse reads args (without the program's name) and the environment over the defaults. T is a struct as in the package
// comment. The error lists everything that is wrong. If *T has a method Validate() error it is asked in the end.
func Parse[T any](args []string, env Environment, defaults T) (T, error) {
	config := defaults
	all, err := settings(reflect.ValueOf(&config).Elem())
	if err != nil {
		return defaults, fmt.Errorf("configuration struct: %w", err)
	}
	given, err := split(args, all)
	if err != nil {
		return defaults, err
	}
	var faults []error
	for _, s := range all {
		if err := apply(s, given, env); err != nil {
			faults = append(faults, err)
		}
	}
	if err := errors.Join(faults...); err != nil {
		return defaults, err
	}
	if v, ok := any(&config).(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			return defaults, err
		}
	}
	return config, nil
}

// split sorts the arguments by flag. Forms: --name value, --name=value, and --name for a switch.
func split(args []string, all []*setting) (map[string]string, error) {
	takes := map[string]bool{} // flag → needs a value
	for _, s := range all {
		if !s.isSecret() {
			takes[s.name] = !s.isBool()
		}
		if s.isSecret() || s.isURL() {
			takes[s.name+"-file"] = true
		}
	}
	given := map[string]string{}
	for i := 0; i < len(args); i++ {
		name, isFlag := strings.CutPrefix(args[i], "--")
		name, value, hasValue := strings.Cut(name, "=")
		switch needsValue, known := takes[name]; {
		case args[i] == "-h" || args[i] == "--help":
			return nil, ErrHelp
		case !isFlag || name == "":
			return nil, fmt.Errorf("unexpected argument %q, see --help", firstWord(args[i]))
		case !known:
			return nil, unknown(name, all)
		case !hasValue && !needsValue:
			value = "true"
		case !hasValue && i+1 == len(args):
			return nil, fmt.Errorf("--%s: a value is missing", name)
		case !hasValue:
			i++
			value = args[i]
		}
		if _, twice := given[name]; twice {
			return nil, fmt.Errorf("--%s: given twice", name)
		}
		given[name] = value
	}
	return given, nil
}

// unknown does not repeat a value, which may be a secret given in the wrong way.
func unknown(name string, all []*setting) error {
	for _, s := range all {
		if s.isSecret() && s.name == name {
			return fmt.Errorf("--%s: a secret is not given on the command line; use --%s-file or %s", name, name, s.variable())
		}
	}
	return fmt.Errorf("unknown flag --%s, see --help", name)
}

func firstWord(arg string) string {
	word, _, _ := strings.Cut(arg, "=")
	return word
}

// apply finds the strongest source of a setting.
func apply(s *setting, given map[string]string, env Environment) error {
	text, plain := given[s.name]
	file, byFile := given[s.name+"-file"]
	filed := s.isSecret() || s.isURL()
	switch {
	case filed && plain && byFile:
		return fmt.Errorf("--%s and --%s-file: only one of them", s.name, s.name)
	case filed && byFile:
		return s.setFromFile("--"+s.name+"-file", file)
	case plain && s.isURL() && redactURL(text) != text:
		return fmt.Errorf("--%s: a password is not given on the command line; use --%s-file or %s", s.name, s.name, s.variable())
	case plain:
		if err := s.set(text); err != nil {
			return fmt.Errorf("--%s: %w", s.name, err)
		}
		return nil
	}

	text, plain = lookup(env, s.variable())
	if filed {
		file, byFile = lookup(env, s.variable()+"_FILE")
	}
	switch {
	case filed && plain && byFile:
		return fmt.Errorf("%s and %s_FILE: only one of them", s.variable(), s.variable())
	case filed && byFile:
		return s.setFromFile(s.variable()+"_FILE", file)
	case plain:
		if err := s.set(text); err != nil {
			return fmt.Errorf("%s: %w", s.variable(), err)
		}
	}
	return nil
}

func lookup(env Environment, name string) (string, bool) {
	text, found := env(name)
	return text, found && text != ""
}

// setFromFile takes the text of a file without the line break at its end.
func (s *setting) setFromFile(source, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", source, err)
	case len(text) > maxSecretFile:
		return fmt.Errorf("%s: %s is larger than %d bytes", source, path, maxSecretFile)
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if secret == "" {
		return fmt.Errorf("%s: %s is empty", source, path)
	}
	if err := s.set(secret); err != nil {
		return fmt.Errorf("%s: %s: %w", source, path, err)
	}
	return nil
}
