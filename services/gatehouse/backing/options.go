package backing

import (
	"fmt"
	"log/slog"
	"net"
)

// Options say where the servers listen and where they keep data. The zero value is a temporary instance on free ports.
type Options struct {
	// DataDir holds the databases, survives restarts and kill -9, and belongs to one process at a time. It is created
	// when missing. Empty means a temporary directory, removed at the end.
	DataDir string

	// MongoDBAddress and RedisAddress are host:port on a loopback interface. An empty host means 127.0.0.1, port 0 a
	// free one; empty means both.
	MongoDBAddress string
	RedisAddress   string

	// RedisOnly leaves MongoDB out.
	RedisOnly bool

	// Logger receives what someone should look at; nil means slog.Default().
	Logger *slog.Logger
}

// loopback completes an address and refuses one that other machines could reach.
func loopback(address string) (string, error) {
	if address == "" {
		address = ":0"
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	if host == "" {
		host = "127.0.0.1"
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return "", fmt.Errorf("address %s: not a loopback address, and the server asks for no password", address)
	}
	return net.JoinHostPort(host, port), nil
}
