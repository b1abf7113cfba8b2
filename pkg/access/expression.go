package access

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/rules"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
)

// How many entries a list of a policy's configuration may have.
const maxEntries = 500

// Expression returns the CEL expression that a policy comes to, unless its configuration breaks a rule; see [CompilePolicy].
// That of the type expression is not compiled.
func Expression(pb *configv1.Policy) (string, error) {
	var f faults
	var text string
	switch c := pb.GetConfig().(type) {
	case *configv1.Policy_ByExpression:
		text = f.expression(c.ByExpression)
	case *configv1.Policy_TimeWindow:
		text = f.timeWindow(c.TimeWindow)
	case *configv1.Policy_Network:
		text = f.network(c.Network)
	case *configv1.Policy_Geo:
		text = f.geo(c.Geo)
	case *configv1.Policy_AuthenticationStrength:
		text = f.strength(c.AuthenticationStrength)
	default:
		return "", fault.Invalidf("The policy is not valid").At("type",
			"must be one of expression, time-window, network, geo, authentication-strength")
	}
	if len(f) > 0 {
		return "", fault.Invalidf("The policy is not valid").With(f...)
	}
	return text, nil
}

// faults gathers what is wrong, by path.
type faults []fault.Detail

func (f *faults) add(path, format string, args ...any) {
	*f = append(*f, fault.Detail{Path: "configuration." + path, Detail: fmt.Sprintf(format, args...)})
}

// each checks the entries of a list one by one and refuses those that come twice.
func each[T comparable](f *faults, path string, list []T, check func(path string, v T)) {
	if len(list) > maxEntries {
		f.add(path, "must have at most %d entries; it has %d", maxEntries, len(list))
		return
	}
	seen := map[T]int{}
	for i, v := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		if before, twice := seen[v]; twice {
			f.add(at, "is the same as %s[%d]", path, before)
			continue
		}
		seen[v] = i
		check(at, v)
	}
}

func (f *faults) expression(c *configv1.ExpressionPolicy) string {
	text := c.GetExpression()
	switch {
	case strings.TrimSpace(text) == "":
		f.add("expression", "must not be empty")
	case utf8.RuneCountInString(text) > rules.MaxExpression:
		f.add("expression", "must have at most %d characters", rules.MaxExpression)
	}
	return text
}

func (f *faults) timeWindow(c *configv1.TimeWindowPolicy) string {
	if _, err := rules.ParseZone(c.GetTimeZone()); err != nil {
		f.add("timeZone", "%s", err)
	}
	if len(c.GetWindows()) == 0 && len(c.GetExceptDates()) == 0 && c.GetNotBefore() == nil && c.GetNotAfter() == nil {
		f.add("windows", "must not be empty: the policy would hold at all times")
	}
	if len(c.GetWindows()) > maxEntries {
		f.add("windows", "must have at most %d entries", maxEntries)
		return ""
	}
	var windows []string
	for i, w := range c.GetWindows() {
		windows = append(windows, f.window(fmt.Sprintf("windows[%d]", i), w))
	}
	each(f, "exceptDates", c.GetExceptDates(), func(path, date string) {
		if _, err := rules.ParseDate(date); err != nil {
			f.add(path, "%s", err)
		}
	})
	from, to := c.GetNotBefore(), c.GetNotAfter()
	if from != nil && to != nil && !from.AsTime().Before(to.AsTime()) {
		f.add("notAfter", "must be later than notBefore")
	}
	var parts []string
	if from != nil {
		parts = append(parts, fmt.Sprintf("now >= timestamp(%s)", quote(from.AsTime().UTC().Format(time.RFC3339Nano))))
	}
	if to != nil {
		parts = append(parts, fmt.Sprintf("now < timestamp(%s)", quote(to.AsTime().UTC().Format(time.RFC3339Nano))))
	}
	if len(windows) > 0 || len(c.GetExceptDates()) > 0 {
		except := ""
		if len(c.GetExceptDates()) > 0 {
			except = ", " + quoted(c.GetExceptDates())
		}
		parts = append(parts, fmt.Sprintf("inWindow(now, %s, %s%s)", quote(c.GetTimeZone()), quoted(windows), except))
	}
	return strings.Join(parts, " && ")
}

func (f *faults) window(path string, w *configv1.TimeWindow) string {
	if len(w.GetDays()) == 0 {
		f.add(path+".days", "must not be empty; name days such as mon")
	}
	each(f, path+".days", w.GetDays(), func(path, day string) {
		if _, ok := rules.ParseWeekday(day); !ok {
			f.add(path, "must be mon, tue, wed, thu, fri, sat or sun")
		}
	})
	from, ok := rules.ParseClock(w.GetFrom())
	if !ok || w.GetFrom() == "24:00" {
		f.add(path+".from", "must be a time of the day such as 08:00")
	}
	to, ok2 := rules.ParseClock(w.GetTo())
	if !ok2 {
		f.add(path+".to", "must be a time of the day such as 19:00")
	}
	if ok && ok2 && from == to {
		f.add(path+".to", "must not be equal to from; for a whole day write 00:00 and 24:00")
	}
	return strings.ToLower(strings.Join(w.GetDays(), ",")) + " " + w.GetFrom() + "-" + w.GetTo()
}

func (f *faults) network(c *configv1.NetworkPolicy) string {
	if len(c.GetRanges()) == 0 {
		f.add("ranges", "must not be empty")
	}
	each(f, "ranges", c.GetRanges(), f.cidr)
	each(f, "exceptRanges", c.GetExceptRanges(), f.cidr)
	text := within(c.GetRanges())
	if len(c.GetExceptRanges()) > 0 {
		text += " && !" + within(c.GetExceptRanges())
	}
	return text
}

func within(ranges []string) string {
	if len(ranges) == 1 {
		return "cidr(" + quote(ranges[0]) + ").containsIP(request.ip)"
	}
	return quoted(ranges) + ".exists(r, cidr(r).containsIP(request.ip))"
}

func (f *faults) cidr(path, text string) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		if ip, err := netip.ParseAddr(text); err == nil && ip.Zone() == "" {
			f.add(path, "must be a range; write %s", netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen()))
			return
		}
		f.add(path, "must be a range in CIDR notation such as 192.0.2.0/24 or 2001:db8::/32")
		return
	}
	right := prefix.Masked()
	if right.Addr().Is4In6() {
		if right.Bits() < 96 {
			f.add(path, "must not mix the two families")
			return
		}
		right = netip.PrefixFrom(right.Addr().Unmap(), right.Bits()-96)
	}
	if right.String() != text {
		f.add(path, "must be written without host bits; write %s", right)
	}
}

func (f *faults) geo(c *configv1.GeoPolicy) string {
	if len(c.GetCountries())+len(c.GetContinents())+len(c.GetAsns()) == 0 {
		f.add("countries", "must not be empty where continents and asns are empty too")
	}
	each(f, "countries", c.GetCountries(), func(path, code string) {
		if wrong := NoCountry(code); wrong != "" {
			f.add(path, "%s", wrong)
		}
	})
	each(f, "continents", c.GetContinents(), func(path, code string) {
		if wrong := NoContinent(code); wrong != "" {
			f.add(path, "%s", wrong)
		}
	})
	each(f, "asns", c.GetAsns(), func(path string, n int64) {
		if n < 1 || n > 4294967295 {
			f.add(path, "must be the number of an autonomous system, from 1 to 4294967295")
		}
	})
	var parts []string
	if len(c.GetCountries()) > 0 {
		parts = append(parts, "request.country in "+quoted(c.GetCountries()))
	}
	if len(c.GetContinents()) > 0 {
		parts = append(parts, "request.continent in "+quoted(c.GetContinents()))
	}
	if len(c.GetAsns()) > 0 {
		var numbers []string
		for _, n := range c.GetAsns() {
			numbers = append(numbers, strconv.FormatInt(n, 10))
		}
		parts = append(parts, "request.asn in ["+strings.Join(numbers, ", ")+"]")
	}
	return strings.Join(parts, " || ")
}

func (f *faults) strength(c *configv1.AuthenticationStrengthPolicy) string {
	if len(c.GetAcrValues())+len(c.GetAmr())+len(c.GetIdentityProviders()) == 0 && c.GetMaxAgeSeconds() == 0 {
		f.add("acrValues", "must not be empty where amr, maxAgeSeconds and identityProviders are absent too")
	}
	word := func(path, text string) {
		if text == "" || len(text) > 256 || strings.ContainsAny(text, " \t\r\n") {
			f.add(path, "must be 1 to 256 characters without blanks")
		}
	}
	each(f, "acrValues", c.GetAcrValues(), word)
	each(f, "amr", c.GetAmr(), word)
	each(f, "identityProviders", c.GetIdentityProviders(), word)
	const longest = 10 * 365 * 24 * 3600
	if c.GetMaxAgeSeconds() < 0 || c.GetMaxAgeSeconds() > longest {
		f.add("maxAgeSeconds", "must be from 1 to %d", longest)
	}
	var parts []string
	if len(c.GetAcrValues()) > 0 {
		parts = append(parts, "auth.acr in "+quoted(c.GetAcrValues()))
	}
	for _, method := range c.GetAmr() {
		parts = append(parts, quote(method)+" in auth.amr")
	}
	if n := c.GetMaxAgeSeconds(); n > 0 {
		parts = append(parts, fmt.Sprintf("now <= auth.time + duration(\"%ds\")", n))
	}
	if len(c.GetIdentityProviders()) > 0 {
		parts = append(parts, "auth.identityProvider in "+quoted(c.GetIdentityProviders()))
	}
	return strings.Join(parts, " && ")
}

// quote writes a string literal of CEL, whose escapes are a part of Go's for printable texts.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func quoted(list []string) string {
	words := make([]string, len(list))
	for i, s := range list {
		words[i] = quote(s)
	}
	return "[" + strings.Join(words, ", ") + "]"
}
