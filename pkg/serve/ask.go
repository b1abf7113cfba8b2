package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// askTimeout is how long the answer to [AskReady] may take.
const askTimeout = 3 * time.Second

// AskReady asks the technical port at address (host:port; without a host: this machine) whether its service is ready, and
// returns what it lacks if it is not. Images without a shell use it as their health check.
func AskReady(ctx context.Context, address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("technical address: %w", err)
	}
	if host == "" {
		host = "localhost"
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", http.NoBody)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no proxy of the environment
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusOK {
		return nil
	}
	var answer struct {
		Stopping   bool
		Conditions []struct {
			Name, Detail string
			OK           bool
		}
	}
	_ = json.NewDecoder(io.LimitReader(response.Body, 64<<10)).Decode(&answer) // what is missing is said as far as it is known
	var lacks []string
	if answer.Stopping {
		lacks = append(lacks, "it is stopping")
	}
	for _, c := range answer.Conditions {
		if !c.OK {
			lacks = append(lacks, strings.TrimSuffix(c.Name+": "+c.Detail, ": "))
		}
	}
	if len(lacks) == 0 {
		return fmt.Errorf("not ready: %s", response.Status)
	}
	return errors.New("not ready: " + strings.Join(lacks, ", "))
}
