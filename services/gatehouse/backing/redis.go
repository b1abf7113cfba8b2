package backing

import (
	"context"

	"github.com/alicebob/miniredis/v2"
)

// redis is a Redis server inside this process. Its content lives as long as it does.
type redis struct {
	server *miniredis.Miniredis
}

// listenRedis returns a server that answers already and is to be run.
func listenRedis(address string) (*redis, error) {
	server := miniredis.NewMiniRedis()
	// Keys expire by the clock that TIME and EXPIREAT also use. By itself miniredis expires nothing; fast-forwarding it
	// from a ticker would expire keys up to one tick early. The price is a pass over all keys at every command.
	server.ClockTTL(true)
	if err := server.StartAddr(address); err != nil {
		return nil, err
	}
	return &redis{server: server}, nil
}

func (r *redis) url() string {
	return "redis://" + r.server.Addr() + "/0"
}

func (r *redis) run(ctx context.Context) error {
	<-ctx.Done()
	r.server.Close()
	return nil
}
