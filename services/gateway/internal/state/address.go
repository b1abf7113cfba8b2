package state

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Address says where Redis is and as whom.
type Address struct {
	hosts              []string // host:port; one server, Sentinels, or some of a Cluster
	user, password     string
	sentinelUser       string
	sentinelPassword   string
	master             string // the name that Sentinels know; empty: no Sentinels
	database           int
	cluster, encrypted bool
}

// schemes are the words before ://, with what each says.
var schemes = map[string]struct{ sentinel, cluster, encrypted bool }{
	"redis": {}, "rediss": {encrypted: true},
	"redis+sentinel": {sentinel: true}, "rediss+sentinel": {sentinel: true, encrypted: true},
	"redis+cluster": {cluster: true}, "rediss+cluster": {cluster: true, encrypted: true},
}

// ParseURL understands the addresses of Redis:
//
//	redis://user:password@host:6379/0                                     one server, port and database may be left out
//	redis+sentinel://user:password@host:26379,host:26379/master/0?sentinel-user=user   whatever the Sentinels say is "master"
//	redis+cluster://user:password@host:6379,host:6379                     a Cluster, of which some servers are named
//
// With rediss in place of redis all connections are encrypted, those to Sentinels too. Users and passwords may be left out; what is
// not a letter, digit or one of -._~ in them is percent-encoded. Its errors do not repeat the URL, which may hold a password.
func ParseURL(text string) (Address, error) {
	scheme, rest, _ := strings.Cut(text, "://")
	kind, known := schemes[scheme]
	if !known {
		return Address{}, errors.New("the Redis URL must begin with redis://, rediss://, redis+sentinel://, rediss+sentinel://, redis+cluster:// or rediss+cluster://")
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return Address{}, errors.New("the Redis URL has a space in it; in users and passwords it is percent-encoded")
	}
	a := Address{cluster: kind.cluster, encrypted: kind.encrypted}
	rest, query, _ := strings.Cut(rest, "?")
	authority, path, _ := strings.Cut(rest, "/")
	hosts := authority
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		hosts = authority[at+1:]
		user, password, _ := strings.Cut(authority[:at], ":")
		var err, err2 error
		a.user, err = url.PathUnescape(user)
		a.password, err2 = url.PathUnescape(password)
		if errors.Join(err, err2) != nil {
			return Address{}, errors.New("the Redis URL's user or password is not percent-encoded")
		}
	}
	port := "6379"
	if kind.sentinel {
		port = "26379"
	}
	if err := a.readHosts(hosts, port, kind.sentinel || kind.cluster); err != nil {
		return Address{}, err
	}
	if kind.sentinel {
		a.master, path, _ = strings.Cut(path, "/")
		if a.master == "" {
			return Address{}, errors.New("the Redis URL must name what the Sentinels watch: redis+sentinel://host:26379,host:26379/NAME")
		}
	}
	if path != "" {
		n, err := strconv.Atoi(path)
		if err != nil || n < 0 || kind.cluster && n != 0 {
			return Address{}, fmt.Errorf("the Redis URL's database must be a number from 0, and is always 0 in a Cluster")
		}
		a.database = n
	}
	return a, a.readQuery(query, kind.sentinel)
}

func (a *Address) readHosts(list, port string, several bool) error {
	for host := range strings.SplitSeq(list, ",") {
		if host == "" && !several {
			host = "localhost"
		}
		name, given, err := net.SplitHostPort(host)
		if err != nil {
			name, given = strings.Trim(host, "[]"), port
		}
		if n, err := strconv.ParseUint(given, 10, 16); err != nil || n == 0 || name == "" || strings.ContainsAny(name, " @") {
			return errors.New("the Redis URL's hosts must be host:port, separated by commas where there are several")
		}
		a.hosts = append(a.hosts, net.JoinHostPort(name, given))
	}
	if len(a.hosts) > 1 && !several {
		return errors.New("the Redis URL names several servers: write redis+sentinel:// or redis+cluster://")
	}
	return nil
}

func (a *Address) readQuery(query string, sentinel bool) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("the Redis URL's query is malformed")
	}
	for name, all := range values {
		switch {
		case len(all) != 1:
			return fmt.Errorf("the Redis URL says %s twice", name)
		case name == "sentinel-user" && sentinel:
			a.sentinelUser = all[0]
		case name == "sentinel-password" && sentinel:
			a.sentinelPassword = all[0]
		default:
			return fmt.Errorf("the Redis URL has a parameter %q; there are sentinel-user and sentinel-password, of redis+sentinel://", name)
		}
	}
	return nil
}

// Encrypted reports whether connections are.
func (a *Address) Encrypted() bool { return a.encrypted }

// Sentinel reports whether Sentinels are asked where the server is.
func (a *Address) Sentinel() bool { return a.master != "" }

// HasPassword reports whether the URL says one.
func (a *Address) HasPassword() bool { return a.password != "" }

// HasSentinelPassword is HasPassword for the Sentinels.
func (a *Address) HasSentinelPassword() bool { return a.sentinelPassword != "" }

func (a *Address) passwords(o Options) (server, sentinel string) {
	return cmp.Or(a.password, o.Password), cmp.Or(a.sentinelPassword, o.SentinelPassword)
}
