package config

import (
	"encoding"
	"fmt"
	"log/slog"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// redacted stands for a secret wherever it could be seen.
const redacted = "[redacted]"

// Secret is a text that is never printed: formatting, JSON and slog show whether it is there, not what it is. It belongs
// in exported fields: package fmt cannot ask the types of others.
type Secret string

// Reveal is the text itself.
func (s Secret) Reveal() string { return string(s) }

// String is "" or a placeholder.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString is for %#v.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// Format keeps the other verbs, such as %x, from showing the text.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText is for JSON and its like.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue is for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// URL is an address that may contain a password. It is printed without it.
type URL string

// Reveal is the address with its password.
func (u URL) Reveal() string { return string(u) }

// String is the address with a placeholder for everything secret in it.
func (u URL) String() string { return redactURL(string(u)) }

// GoString is for %#v.
func (u URL) GoString() string { return strconv.Quote(u.String()) }

// Format keeps the other verbs, such as %x, from showing the password.
func (u URL) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(u.String())) }

// MarshalText is for JSON and its like.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// LogValue is for slog.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// redactURL does not parse: lists of hosts and unescaped passwords are not URLs, and must not be printed either. In
// doubt it hides too much.
func redactURL(text string) string {
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		scheme, rest = "", text
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		if user, _, hasPassword := strings.Cut(rest[:at], ":"); hasPassword {
			rest = user + ":" + redacted + rest[at:]
		}
	}
	if before, query, ok := strings.Cut(rest, "?"); ok {
		parameters := strings.FieldsFunc(query, func(r rune) bool { return r == '&' || r == ';' })
		for i, p := range parameters {
			if name, _, _ := strings.Cut(p, "="); secretParameter(name) {
				parameters[i] = name + "=" + redacted
			}
		}
		rest = before + "?" + strings.Join(parameters, "&")
	}
	if found {
		return scheme + "://" + rest
	}
	return rest
}

func secretParameter(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"password", "secret", "token", "authmechanismproperties"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

var durationType = reflect.TypeFor[time.Duration]()

// supported reports whether fields of that type can be read.
func supported(t reflect.Type) bool {
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return true
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	case reflect.Slice:
		return t.Elem().Kind() == reflect.String
	default:
		return false
	}
}

// parse reads text into v. Its errors may repeat the text; the types of secrets accept every text.
func parse(v reflect.Value, text string) error {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	t := v.Type()
	switch {
	case t == durationType:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is not a duration such as 10s or 1h30m", text)
		}
		v.SetInt(int64(d))
		return nil
	case t.Kind() == reflect.String:
		v.SetString(text)
		return nil
	case t.Kind() == reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		v.SetBool(b)
		return nil
	case t.Kind() == reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("%q is not a number", text)
		}
		v.SetFloat(f)
		return nil
	case v.CanInt():
		n, err := strconv.ParseInt(text, 10, t.Bits())
		if err != nil {
			return fmt.Errorf("%q is not a whole number of %d bits", text, t.Bits())
		}
		v.SetInt(n)
		return nil
	case v.CanUint():
		n, err := strconv.ParseUint(text, 10, t.Bits())
		if err != nil {
			return fmt.Errorf("%q is not a whole number from 0, of %d bits", text, t.Bits())
		}
		v.SetUint(n)
		return nil
	default: // a list of texts
		list := reflect.MakeSlice(t, 0, 4)
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item != "" {
				list = reflect.Append(list, reflect.ValueOf(item).Convert(t.Elem()))
			}
		}
		v.Set(list)
		return nil
	}
}

// show is the text of a value, without secrets.
func show(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case fmt.Stringer: // Secret, URL, Duration, slog.Level
		return x.String()
	case encoding.TextMarshaler:
		text, err := x.MarshalText()
		if err != nil {
			return ""
		}
		return string(text)
	}
	if v.Kind() == reflect.Slice {
		items := make([]string, v.Len())
		for i := range items {
			items[i] = fmt.Sprint(v.Index(i).Interface())
		}
		return strings.Join(items, ",")
	}
	return fmt.Sprint(v.Interface())
}
