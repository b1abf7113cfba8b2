package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
)

// failing answers every health check with the error it is given.
type failing struct {
	grpc_health_v1.UnimplementedHealthServer
	err error
}

func (f *failing) Check(context.Context, *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	if f.err == nil {
		return &grpc_health_v1.HealthCheckResponse{}, nil
	}
	return nil, ToGRPC(f.err)
}

// overTheWire sends err through a real client and server.
func overTheWire(t *testing.T, err error) error {
	t.Helper()
	listener := bufconn.Listen(1 << 16)
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, &failing{err: err})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	conn, dialErr := grpc.NewClient("passthrough:///test", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if dialErr != nil {
		t.Fatal(dialErr)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, callErr := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	return FromGRPC(callErr)
}

func TestEveryKindTravelsThereAndBack(t *testing.T) {
	details := []Detail{
		{Path: "settings.oauth.redirectUris[0]", Detail: "must be https"},
		{Path: "rule", Detail: "syntax: ünexpected", Line: 3, Column: 14},
	}
	for _, kind := range Kinds() {
		if kind == Internal {
			continue
		}
		t.Run(kind.String(), func(t *testing.T) {
			sent := Newf(kind, "what happened to “%s”", "x").With(details...).Because(io.EOF)
			got, ok := errors.AsType[*Error](overTheWire(t, fmt.Errorf("handler: %w", sent)))
			if !ok {
				t.Fatal("no fault arrived")
			}
			if got.Kind != kind || got.Message != sent.Message {
				t.Errorf("kind %v, message %q", got.Kind, got.Message)
			}
			if diff := cmp.Diff(details, got.Details); diff != "" {
				t.Errorf("details (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnInternalErrorTravelsWithoutItsText(t *testing.T) {
	for _, err := range []error{errors.New("password=hunter2"), Newf(Internal, "password=hunter2").At("password", "hunter2")} {
		got, ok := errors.AsType[*Error](overTheWire(t, err))
		if !ok || got.Kind != Internal || got.Message != InternalMessage || got.Details != nil {
			t.Errorf("%v arrived as %#v", err, got)
		}
	}
}

func TestNilTravelsAsNil(t *testing.T) {
	if err := overTheWire(t, nil); err != nil {
		t.Error(err)
	}
	if ToGRPC(nil) != nil {
		t.Error("nil became a status")
	}
}

func TestFromGRPC(t *testing.T) {
	tests := []struct {
		name    string
		err     error
		want    Kind
		message string
	}{
		{"a peer that cannot be reached is unavailable and its address stays private",
			status.Error(codes.Unavailable, "dial tcp 10.0.0.1: refused"), Unavailable, "the service cannot be reached"},
		{"a peer that is too slow is unavailable", status.Error(codes.DeadlineExceeded, "x"), Unavailable,
			"the service did not answer in time"},
		{"a bare deadline is unavailable", context.DeadlineExceeded, Unavailable, "the service did not answer in time"},
		{"a code without a kind is translated by the table", status.Error(codes.NotFound, "gone"), NotFound, "gone"},
		{"a code outside the table is internal", status.Error(codes.Unimplemented, "x"), Internal, "x"},
		{"an exhausted peer is limited", status.Error(codes.ResourceExhausted, "x"), Limited, "x"},
		{"a peer that lacks a setting is unmet", status.Error(codes.FailedPrecondition, "x"), Unmet, "x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := errors.AsType[*Error](FromGRPC(tt.err))
			if !ok || got.Kind != tt.want || got.Message != tt.message {
				t.Errorf("got %#v", got)
			}
			if !errors.Is(got, tt.err) {
				t.Error("the status is no longer reachable")
			}
		})
	}
}

func TestCancellationStaysCancellation(t *testing.T) {
	for _, err := range []error{context.Canceled, status.Error(codes.Canceled, "x"), overTheWire(t, context.Canceled)} {
		if got := FromGRPC(err); !errors.Is(got, context.Canceled) {
			t.Errorf("%v became %v", err, got)
		}
	}
}

func TestToGRPC(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want codes.Code
	}{
		{"a deadline keeps its meaning", fmt.Errorf("x: %w", context.DeadlineExceeded), codes.DeadlineExceeded},
		{"a handler's own status passes", status.Error(codes.OutOfRange, "x"), codes.OutOfRange},
		{"a status from deeper down does not leak", fmt.Errorf("x: %w", status.Error(codes.NotFound, "secret")), codes.Internal},
		{"a fault around a context error wins", Unavailablef("x").Because(context.Canceled), codes.Unavailable},
		{"text that is not UTF-8 keeps the code", NotFoundf("x").At("a\xff", "b"), codes.NotFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := status.Code(ToGRPC(tt.err)); got != tt.want {
				t.Errorf("code %v, want %v", got, tt.want)
			}
		})
	}
}

func TestPositionIn(t *testing.T) {
	for reason, want := range map[string][2]int{"3:4": {3, 4}, "": {}, "x": {}, "1:y": {}, "z:1": {}, "0:7": {0, 7}} {
		if line, column := positionIn(reason); line != want[0] || column != want[1] {
			t.Errorf("%q is %d:%d", reason, line, column)
		}
	}
}
