package state

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Keys of the store, for tests of how long things are kept.
var (
	CodeKey    = codeKey
	RequestKey = requestKey
	SessionKey = sessionKey
	GrantKey   = grantKey
	LegKey     = legKey
)

// ClientsKey is where the clients of a session are kept.
func ClientsKey(cookie, domain string) string { return clientsKey(sessionKey(cookie, domain)) }

// Left returns how long Redis keeps a key; negative if there is none, or none that ends.
func (s *Store) Left(ctx context.Context, key string) (time.Duration, error) {
	return s.client.PTTL(ctx, key).Result()
}

// Slot is the slot of a key in a Cluster: the CRC16 of its name, or of what is in its first braces (Redis Cluster
// Specification, Key distribution model).
func Slot(key string) int {
	if open := strings.IndexByte(key, '{'); open >= 0 {
		if end := strings.IndexByte(key[open+1:], '}'); end > 0 {
			key = key[open+1 : open+1+end]
		}
	}
	var crc uint16
	for i := range len(key) {
		crc ^= uint16(key[i]) << 8
		for range 8 {
			high := crc&0x8000 != 0
			crc <<= 1
			if high {
				crc ^= 0x1021
			}
		}
	}
	return int(crc) % 16384
}

// Record tells seen the keys of every command and every script; in a Cluster, of every transaction as well. Elsewhere a transaction
// may span slots.
func (s *Store) Record(seen func(keys []string)) { s.client.AddHook(recorder{seen, s.cluster}) }

type recorder struct {
	seen    func([]string)
	cluster bool
}

func (r recorder) DialHook(next redis.DialHook) redis.DialHook { return next }

func (r recorder) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		r.seen(keysOf(cmd))
		return next(ctx, cmd)
	}
}

func (r recorder) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, all []redis.Cmder) error {
		var together []string
		for _, cmd := range all {
			r.seen(keysOf(cmd))
			together = append(together, keysOf(cmd)...)
		}
		if r.cluster && all[0].Name() == "multi" {
			r.seen(together)
		}
		return next(ctx, all)
	}
}

// keysOf are the keys of a command. Those that are not known here have none, or one as the first argument.
func keysOf(cmd redis.Cmder) []string {
	args := make([]string, len(cmd.Args()))
	for i, a := range cmd.Args() {
		args[i] = fmt.Sprint(a)
	}
	switch strings.ToLower(args[0]) {
	case "eval", "evalsha":
		n, _ := strconv.Atoi(args[2])
		return args[3 : 3+n]
	case "del", "exists", "unlink", "mget":
		return args[1:]
	case "ping", "multi", "exec", "hello", "select", "client", "script", "cluster", "command":
		return nil
	}
	return args[1:2]
}

// NewUserCode is newUserCode.
func NewUserCode() string { return newUserCode() }
