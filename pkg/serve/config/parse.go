package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
)

// ErrHelp is returned by [Parse] when the arguments ask for help.
var ErrHelp = errors.New("help requested")

const (
	// configFlag names the configuration file, checkFlag asks for nothing but a look at the configuration.
	configFlag, checkFlag = "config", "check-config"
	// prefix begins every variable.
	prefix = "GATEHOUSE_"
	// maxSecretFile bounds the file of a secret; a PEM bundle is far below.
	maxSecretFile = 64 << 10
)

// foreign begin variables that are no settings of a service: those of tests and of the control command.
var foreign = []string{prefix + "TEST_", prefix + "CTL_"}

// Environment are variables as NAME=value, like [os.Environ].
type Environment []string

func (e Environment) lookup(name string) (string, bool) {
	for _, v := range slices.Backward(e) {
		if key, value, _ := strings.Cut(v, "="); key == name {
			return value, value != ""
		}
	}
	return "", false
}

// Parse reads args (without the program's name), the environment and the configuration file that one of them names over the
// defaults. T is a struct as in the package comment. The error lists everything that is wrong, as [Fault]s. If *T has a method
// Validate() error it is asked in the end.
func Parse[T any](args []string, env Environment, defaults T) (T, error) {
	r, err := read(args, env, defaults)
	if err != nil {
		return defaults, err
	}
	return r.config, nil
}

// reading is a configuration with who said what.
type reading[T any] struct {
	config T
	all    []*setting
	check  bool // --check-config
}

func read[T any](args []string, env Environment, defaults T) (*reading[T], error) {
	r := &reading[T]{config: defaults}
	var err error
	if r.all, err = settings(reflect.ValueOf(&r.config).Elem()); err != nil {
		return nil, fmt.Errorf("configuration struct: %w", err)
	}
	given, err := split(args, r.all)
	if errors.Is(err, ErrHelp) {
		return nil, err
	}
	r.check = given[checkFlag] == "true"
	faults := flat(err)
	path, byFlag := given[configFlag]
	if !byFlag {
		path, _ = env.lookup(prefix + "CONFIG")
	}
	var file map[string]*fromFile
	if path != "" {
		file, err = readFile(path)
		faults = append(faults, flat(err)...)
	}
	for _, s := range r.all {
		if err := apply(s, given, env, file); err != nil {
			faults = append(faults, err)
		}
	}
	faults = append(faults, unknownVariables(env, r.all)...)
	left := strangers(file, names(r.all, ""))
	slices.SortFunc(left, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	faults = append(faults, left...)
	if v, ok := any(&r.config).(interface{ Validate() error }); ok {
		faults = append(faults, news(flat(sourced(v.Validate(), r.all)), faults)...)
	}
	return r, errors.Join(faults...)
}

// news are the faults of settings in which nothing was wrong before: a value that could not be read was not looked at.
func news(found, before []error) []error {
	return slices.DeleteFunc(found, func(e error) bool {
		var f *Fault
		return errors.As(e, &f) && slices.ContainsFunc(before, func(e error) bool {
			var old *Fault
			return errors.As(e, &old) && old.Key == f.Key && f.Key != ""
		})
	})
}

// split sorts the arguments by flag. Forms: --name value, --name=value, and --name for a switch.
func split(args []string, all []*setting) (map[string]string, error) {
	takes := map[string]bool{configFlag: true, checkFlag: false} // flag → needs a value
	for _, s := range all {
		if !s.isSecret() {
			takes[s.name] = !s.isBool()
		}
		if s.filed() {
			takes[s.name+"-file"] = true
		}
	}
	given := map[string]string{}
	var faults []error
	for i := 0; i < len(args); i++ {
		name, isFlag := strings.CutPrefix(args[i], "--")
		name, value, hasValue := strings.Cut(name, "=")
		switch needsValue, known := takes[name]; {
		case args[i] == "-h" || args[i] == "--help":
			return nil, ErrHelp
		case !isFlag || name == "":
			faults = append(faults, fmt.Errorf("unexpected argument %q, see --help", firstWord(args[i])))
			continue
		case !known:
			faults = append(faults, unknown(name, all))
			if !hasValue && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
				i++ // its value, which may be a secret
			}
			continue
		case !hasValue && !needsValue:
			value = "true"
		case !hasValue && i+1 == len(args):
			faults = append(faults, &Fault{Key: name, Source: "--" + name, Problem: ": a value is missing"})
			continue
		case !hasValue:
			i++
			value = args[i]
		}
		if _, twice := given[name]; twice {
			faults = append(faults, &Fault{Key: name, Source: "--" + name, Problem: ": given twice"})
		}
		given[name] = value
	}
	return given, errors.Join(faults...)
}

// names are the spellings of all settings with something before them: flags with "--", members of a file with "".
func names(all []*setting, before string) []string {
	var list []string
	for _, s := range all {
		if !s.isSecret() {
			list = append(list, before+s.name)
		}
		if s.filed() {
			list = append(list, before+s.name+"-file")
		}
	}
	return list
}

// unknown does not repeat a value, which may be a secret given in the wrong way.
func unknown(name string, all []*setting) error {
	for _, s := range all {
		if s.isSecret() && s.name == name {
			return s.fault("--"+name, ": a secret is not given on the command line; use --%s-file or %s", name, s.variable())
		}
	}
	flags := append(names(all, "--"), "--"+configFlag, "--"+checkFlag)
	return &Fault{Source: "unknown flag --" + name, Problem: didYouMean("--"+name, flags, "see --help")}
}

// unknownVariables refuses what looks like a setting and is none: a typo there would leave the default in place.
func unknownVariables(env Environment, all []*setting) []error {
	known := []string{prefix + "CONFIG"}
	for _, s := range all {
		known = append(known, s.variable())
		if s.filed() {
			known = append(known, s.variable()+"_FILE")
		}
	}
	var faults []error
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(name, prefix) || value == "" || slices.Contains(known, name) ||
			slices.ContainsFunc(foreign, func(p string) bool { return strings.HasPrefix(name, p) }) {
			continue
		}
		otherwise := "see --help"
		if strings.Contains(name, "_PORT") || strings.HasSuffix(name, "_SERVICE_HOST") {
			otherwise = "see --help; Kubernetes makes such variables for services unless the pod has enableServiceLinks: false"
		}
		faults = append(faults, &Fault{Source: name, Problem: ": there is no such setting" + didYouMean(name, known, otherwise)})
	}
	return faults
}

func firstWord(arg string) string {
	word, _, _ := strings.Cut(arg, "=")
	return word
}

// apply finds the strongest source of a setting.
func apply(s *setting, given map[string]string, env Environment, config map[string]*fromFile) error {
	// Weaker ones are looked at as well: what is wrong there is wrong, even where it does not count today.
	faults := []error{s.fromConfig(config), s.fromVariable(env), s.fromFlag(given)}
	return errors.Join(faults...)
}

func (s *setting) fromFlag(given map[string]string) error {
	text, plain := given[s.name]
	file, byFile := given[s.name+"-file"]
	byFile = byFile && s.filed()
	flag := "--" + s.name
	switch {
	case plain && byFile:
		return s.fault(flag, " and %s-file: only one of them", flag)
	case byFile:
		return s.setFromFile(flag+"-file", file)
	case plain && s.isURL() && redactURL(text) != text:
		return s.fault(flag, ": a password is not given on the command line; use %s-file or %s", flag, s.variable())
	case plain:
		return s.setFrom(flag, text)
	}
	return nil
}

func (s *setting) fromVariable(env Environment) error {
	text, plain := env.lookup(s.variable())
	file, byFile := "", false
	if s.filed() {
		file, byFile = env.lookup(s.variable() + "_FILE")
	}
	switch {
	case plain && byFile:
		return s.fault(s.variable(), " and %s_FILE: only one of them", s.variable())
	case byFile:
		return s.setFromFile(s.variable()+"_FILE", file)
	case plain:
		return s.setFrom(s.variable(), text)
	}
	return nil
}

// setFromFile takes the text of a file without the line break at its end.
func (s *setting) setFromFile(source, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return s.fault(source, ": %v", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	switch {
	case err != nil:
		return s.fault(source, ": %v", err)
	case len(text) > maxSecretFile:
		return s.fault(source, ": %s is larger than %d bytes", path, maxSecretFile)
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if secret == "" {
		return s.fault(source, ": %s is empty", path)
	}
	if err := s.set(secret); err != nil {
		return s.fault(source, ": %s: %v", path, err)
	}
	s.source = source
	return nil
}
