package fault

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
)

// errorDomain marks an ErrorInfo as ours.
const errorDomain = "gatehouse"

// grpcCodes is the one place that knows which gRPC code a kind has. The kind itself travels as the reason of an
// ErrorInfo, so two kinds may share a code.
var grpcCodes = [...]codes.Code{
	Internal:        codes.Internal,
	Invalid:         codes.InvalidArgument,
	NotFound:        codes.NotFound,
	Conflict:        codes.AlreadyExists,
	Stale:           codes.Aborted,
	Unauthenticated: codes.Unauthenticated,
	Denied:          codes.PermissionDenied,
	Unavailable:     codes.Unavailable,
	Limited:         codes.ResourceExhausted,
	Unmet:           codes.FailedPrecondition,
}

func (k Kind) grpcCode() codes.Code {
	if int(k) < len(grpcCodes) {
		return grpcCodes[k]
	}
	return codes.Internal
}

// ToGRPC returns err as a gRPC status error that FromGRPC understands on the other side. Nil stays nil. An error
// without a kind becomes codes.Internal with InternalMessage; a context error keeps its meaning; a gRPC status that
// the handler made itself, without a fault around it, passes unchanged.
func ToGRPC(err error) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*Error](err)
	switch {
	case ok && e.Kind != Internal:
		return encode(e).Err()
	case ok:
		return status.Error(codes.Internal, InternalMessage)
	case errors.Is(err, context.Canceled):
		return status.Error(codes.Canceled, "canceled")
	case errors.Is(err, context.DeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, "deadline exceeded")
	}
	if _, isStatus := err.(interface{ GRPCStatus() *status.Status }); isStatus {
		return err
	}
	return status.Error(codes.Internal, InternalMessage)
}

func encode(e *Error) *status.Status {
	st := status.New(e.Kind.grpcCode(), e.Message)
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: e.Kind.String(), Domain: errorDomain}}
	if len(e.Details) > 0 {
		bad := &errdetails.BadRequest{}
		for _, d := range e.Details {
			bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{
				Field:       d.Path,
				Description: d.Detail,
				Reason:      position(d),
			})
		}
		details = append(details, bad)
	}
	full, err := st.WithDetails(details...)
	if err != nil {
		// Text that is not UTF-8 cannot travel as a detail; the code and the message still say most of it.
		return st
	}
	return full
}

// FromGRPC restores the fault that the other side sent with ToGRPC. Nil stays nil. The status error remains
// reachable as the cause. A peer that cannot be reached or did not answer in time is Unavailable; a code that carries
// no kind of ours is translated by the table, and everything else is Internal. Cancellation by the caller stays
// context.Canceled.
func FromGRPC(err error) error {
	if err == nil {
		return nil
	}
	st, ok := status.FromError(err)
	if !ok {
		switch {
		case errors.Is(err, context.Canceled):
			return err
		case errors.Is(err, context.DeadlineExceeded):
			return Unavailablef("the service did not answer in time").Because(err)
		}
		return err
	}
	if kind, found := kindIn(st); found {
		return &Error{Kind: kind, Message: st.Message(), Details: detailsIn(st), cause: err}
	}
	switch st.Code() {
	case codes.OK:
		return nil
	case codes.Canceled:
		return canceled{err}
	case codes.Unavailable:
		return Unavailablef("the service cannot be reached").Because(err)
	case codes.DeadlineExceeded:
		return Unavailablef("the service did not answer in time").Because(err)
	}
	for kind, code := range grpcCodes {
		if code == st.Code() {
			return &Error{Kind: Kind(kind), Message: st.Message(), cause: err}
		}
	}
	return &Error{Kind: Internal, Message: st.Message(), cause: err}
}

// canceled is a gRPC status that also answers to errors.Is(err, context.Canceled).
type canceled struct{ err error }

func (c canceled) Error() string        { return c.err.Error() }
func (c canceled) Unwrap() error        { return c.err }
func (c canceled) Is(target error) bool { return target == context.Canceled }

func kindIn(st *status.Status) (Kind, bool) {
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetDomain() == errorDomain {
			return kindNamed(info.GetReason())
		}
	}
	return Internal, false
}

func detailsIn(st *status.Status) []Detail {
	var all []Detail
	for _, d := range st.Details() {
		bad, ok := d.(*errdetails.BadRequest)
		if !ok {
			continue
		}
		for _, v := range bad.GetFieldViolations() {
			line, column := positionIn(v.GetReason())
			all = append(all, Detail{Path: v.GetField(), Detail: v.GetDescription(), Line: line, Column: column})
		}
	}
	return all
}

// position writes line and column as a violation's reason, "12:5"; nothing where neither is known.
func position(d Detail) string {
	if d.Line == 0 && d.Column == 0 {
		return ""
	}
	return strconv.Itoa(d.Line) + ":" + strconv.Itoa(d.Column)
}

func positionIn(reason string) (line, column int) {
	l, c, ok := strings.Cut(reason, ":")
	if !ok {
		return 0, 0
	}
	line, errLine := strconv.Atoi(l)
	column, errColumn := strconv.Atoi(c)
	if errLine != nil || errColumn != nil {
		return 0, 0
	}
	return line, column
}
