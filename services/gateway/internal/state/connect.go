package state

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// topologyEvery is how old what is known of a Cluster may get: after a failover it takes as long at most until the new
// server is asked. What a server says (MOVED) is believed at once.
const topologyEvery = time.Second

// connect makes the client for commands, which repeats none of them after it may have been carried out, and the one that
// listens.
func (a *Address) connect(o Options) (client, listener redis.UniversalClient) {
	encryption := o.TLS
	switch {
	case !a.encrypted:
		encryption = nil
	case encryption == nil:
		encryption = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	switch {
	case a.cluster:
		commands := a.clusterOptions(o, encryption)
		commands.Dialer = once(encryption)
		listening := a.clusterOptions(o, encryption)
		return redis.NewClusterClient(commands), redis.NewClusterClient(listening)
	case a.master != "":
		c := redis.NewFailoverClient(a.failoverOptions(o, encryption))
		return c, c
	}
	password, _ := a.passwords(o)
	c := redis.NewClient(&redis.Options{
		Addr: a.hosts[0], Username: a.user, Password: password, DB: a.database, TLSConfig: encryption,
		DialTimeout: Timeout, ReadTimeout: Timeout, WriteTimeout: Timeout, PoolTimeout: Timeout, ContextTimeoutEnabled: true,
		DialerRetries: 1, MaxRetries: -1, PoolSize: cmp.Or(o.PoolSize, 64),
		// Nothing here uses what these would ask for on every new connection.
		Protocol: 2, DisableIdentity: true, MaintNotificationsConfig: unannounced(),
	})
	return c, c
}

func unannounced() *maintnotifications.Config {
	return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

func (a *Address) failoverOptions(o Options, encryption *tls.Config) *redis.FailoverOptions {
	password, sentinelPassword := a.passwords(o)
	return &redis.FailoverOptions{
		MasterName: a.master, SentinelAddrs: a.hosts, SentinelUsername: a.sentinelUser, SentinelPassword: sentinelPassword,
		Username: a.user, Password: password, DB: a.database, TLSConfig: encryption,
		DialTimeout: Timeout, ReadTimeout: Timeout, WriteTimeout: Timeout, PoolTimeout: Timeout, ContextTimeoutEnabled: true,
		DialerRetries: 1, MaxRetries: -1, PoolSize: cmp.Or(o.PoolSize, 64),
		Protocol: 2, DisableIdentity: true,
	}
}

func (a *Address) clusterOptions(o Options, encryption *tls.Config) *redis.ClusterOptions {
	password, _ := a.passwords(o)
	return &redis.ClusterOptions{
		Addrs: a.hosts, Username: a.user, Password: password, TLSConfig: encryption,
		DialTimeout: Timeout, ReadTimeout: Timeout, WriteTimeout: Timeout, PoolTimeout: Timeout, ContextTimeoutEnabled: true,
		DialerRetries: 1, MaxRetries: -1, PoolSize: cmp.Or(o.PoolSize, 64),
		// While a slot moves, servers ask to be asked again (TRYAGAIN) about steps with two keys. Timeout ends that.
		MaxRedirects: 8, MinRetryBackoff: 10 * time.Millisecond, MaxRetryBackoff: 100 * time.Millisecond,
		ClusterStateReloadInterval: topologyEvery, DisableRoutingPolicies: true,
		Protocol: 2, DisableIdentity: true, MaintNotificationsConfig: unannounced(),
	}
}

// once dials connections for a client of a Cluster. Such a client follows a key to the server where it has gone (MOVED, ASK) by the
// same loop in which it repeats what a connection lost: an error of the transport, once connected, therefore has no cause
// that the library knows as one to try again after. What a broken connection carried may have been done.
func once(encryption *tls.Config) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		d := &net.Dialer{Timeout: Timeout, KeepAlive: 5 * time.Minute}
		var c net.Conn
		var err error
		if encryption == nil {
			c, err = d.DialContext(ctx, network, address)
		} else {
			c, err = (&tls.Dialer{NetDialer: d, Config: encryption}).DialContext(ctx, network, address)
		}
		if err != nil {
			return nil, err
		}
		if tcp, ok := c.(*net.TCPConn); ok {
			return checked{unrepeated{c}, tcp}, nil
		}
		return unrepeated{c}, nil
	}
}

type unrepeated struct{ net.Conn }

// checked lets the library see whether the server has hung up before it uses the connection again.
type checked struct {
	unrepeated
	syscall.Conn
}

func (c unrepeated) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	return n, lost(err)
}

func (c unrepeated) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	return n, lost(err)
}

// lost keeps the words of an error and hides its cause.
func lost(err error) error {
	if err == nil {
		return nil
	}
	return errors.New("connection lost: " + err.Error())
}
