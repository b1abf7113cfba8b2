package state

import (
	"context"
	"errors"
	"net"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-am/gatehouse/pkg/observe"
)

// traces makes a span of every trip to Redis that a request waits for. Names of commands are in it, never keys and values: they are
// codes and tokens.
type traces struct{ *observe.Tracing }

// DialHook implements redis.Hook.
func (traces) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		return next(ctx, network, address)
	}
}

// ProcessHook implements redis.Hook.
func (t traces) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		ctx, end := t.Call(ctx, "redis", cmd.Name())
		err := next(ctx, cmd)
		end(failure(err))
		return err
	}
}

// ProcessPipelineHook implements redis.Hook.
func (t traces) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		ctx, end := t.Call(ctx, "redis", "pipeline")
		err := next(ctx, cmds)
		end(failure(err))
		return err
	}
}

// errCommand is all that a trace says about a command that Redis refused: its text may repeat arguments.
var errCommand = errors.New("redis refused the command")

// failure is what a span says of an error. That there is nothing is none.
func failure(err error) error {
	if errors.Is(err, redis.Nil) {
		return nil
	}
	if said := redis.Error(nil); errors.As(err, &said) {
		return errCommand
	}
	return err
}
