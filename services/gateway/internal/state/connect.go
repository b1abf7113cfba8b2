package state

import (
	"cmp"
	"crypto/tls"
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
		commands.Dialer = (&dialer{timeout: o.Timeout, encryption: encryption, once: true}).dial
		listening := a.clusterOptions(o, encryption)
		listening.Dialer = (&dialer{timeout: o.Timeout, encryption: encryption}).dial
		return redis.NewClusterClient(commands), redis.NewClusterClient(listening)
	case a.master != "":
		c := redis.NewFailoverClient(a.failoverOptions(o, encryption))
		return c, c
	}
	password, _ := a.passwords(o)
	c := redis.NewClient(&redis.Options{
		Addr: a.hosts[0], Username: a.user, Password: password, DB: a.database, TLSConfig: encryption,
		DialTimeout: o.Timeout, ReadTimeout: o.Timeout, WriteTimeout: o.Timeout, PoolTimeout: o.Timeout, ContextTimeoutEnabled: true,
		DialerRetries: 1, MaxRetries: -1, PoolSize: cmp.Or(o.PoolSize, 64), Dialer: (&dialer{timeout: o.Timeout, encryption: encryption}).dial,
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
		DialTimeout: o.Timeout, ReadTimeout: o.Timeout, WriteTimeout: o.Timeout, PoolTimeout: o.Timeout, ContextTimeoutEnabled: true,
		DialerRetries: 1, MaxRetries: -1, PoolSize: cmp.Or(o.PoolSize, 64), Dialer: (&dialer{timeout: o.Timeout, encryption: encryption}).dial,
		Protocol: 2, DisableIdentity: true,
	}
}

func (a *Address) clusterOptions(o Options, encryption *tls.Config) *redis.ClusterOptions {
	password, _ := a.passwords(o)
	return &redis.ClusterOptions{
		Addrs: a.hosts, Username: a.user, Password: password, TLSConfig: encryption,
		DialTimeout: o.Timeout, ReadTimeout: o.Timeout, WriteTimeout: o.Timeout, PoolTimeout: o.Timeout, ContextTimeoutEnabled: true,
		DialerRetries: 1, MaxRetries: -1, PoolSize: cmp.Or(o.PoolSize, 64),
		// While a slot moves, servers ask to be asked again (TRYAGAIN) about steps with two keys. The timeout ends that.
		MaxRedirects: 8, MinRetryBackoff: 10 * time.Millisecond, MaxRetryBackoff: 100 * time.Millisecond,
		ClusterStateReloadInterval: topologyEvery, DisableRoutingPolicies: true,
		Protocol: 2, DisableIdentity: true, MaintNotificationsConfig: unannounced(),
	}
}
