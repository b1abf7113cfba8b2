package rest

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operation"
	"github.com/gatehouse-am/gatehouse/services/management/internal/operator"
)

// streamPatience is how long a stream waits for the other side to send or to read anything. It is no limit of the whole.
const streamPatience = time.Minute

var errLinesType = &httpError{http.StatusUnsupportedMediaType, "The content type must be " + operation.NDJSON}

// Lines returns the body of a request whose operation is a Stream: NDJSON of any length, read as it comes while lines are
// answered. A client that sends nothing for a minute is given up. Another content type is refused with 415.
func (m *Mux) Lines(w http.ResponseWriter, r *http.Request) (io.Reader, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != operation.NDJSON {
		w.Header().Set("Connection", "close") // the body is not read
		return nil, errLinesType
	}
	c := http.NewResponseController(w)
	// HTTP/2 is always ready for both, and says that it cannot be told so.
	_ = c.EnableFullDuplex()
	return &patientReader{body: r.Body, control: c}, nil
}

type patientReader struct {
	body    io.Reader
	control *http.ResponseController
}

func (p *patientReader) Read(into []byte) (int, error) {
	_ = p.control.SetReadDeadline(time.Now().Add(streamPatience))
	return p.body.Read(into)
}

// AnswerLines begins an answer of NDJSON and returns what writes a line of it. Each line is on its way when it returns; an
// error means that nobody reads.
func (m *Mux) AnswerLines(w http.ResponseWriter) (say func(v any) error) {
	c := http.NewResponseController(w)
	w.Header().Set("Content-Type", operation.NDJSON)
	w.WriteHeader(http.StatusOK)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return func(v any) error {
		_ = c.SetWriteDeadline(time.Now().Add(streamPatience))
		err := encoder.Encode(v)
		if err == nil {
			err = c.Flush()
		}
		if err != nil {
			_ = c.SetReadDeadline(time.Now()) // who does not read need not send either
			return fmt.Errorf("answer a line: %w", err)
		}
		return nil
	}
}

// Allowed refuses a request whose operator lacks a permission, for routes that need more than their own.
func (m *Mux) Allowed(r *http.Request, permission string) error {
	if o, ok := operator.From(r.Context()); !ok || !o.Allows(permission) {
		return fault.Deniedf("Permission denied")
	}
	return nil
}
