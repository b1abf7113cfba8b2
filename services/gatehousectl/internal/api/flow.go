package api

import (
	"context"
	"io"
	"mime"
	"net/http"
	"sync/atomic"
	"time"
)

// ndjson is the media type of streams of lines.
const ndjson = "application/x-ndjson"

// Flow is a request whose body or answer is a stream of any length. It may take as long as it likes while something moves, and is
// given up when nothing has moved for the connection's timeout. It is to be closed.
type Flow struct {
	conn   *Conn
	ctx    context.Context //nolint:containedctx // it is that of one request, which a Flow is
	cancel context.CancelCauseFunc
	limit  atomic.Int64
	timer  *time.Timer
}

// Flow begins one.
func (c *Conn) Flow(ctx context.Context) *Flow {
	f := &Flow{conn: c}
	f.ctx, f.cancel = context.WithCancelCause(ctx)
	f.limit.Store(int64(c.Options.Timeout))
	f.timer = time.AfterFunc(c.Options.Timeout, func() { f.cancel(errStalled) })
	return f
}

// Allow changes for how long nothing may move.
func (f *Flow) Allow(d time.Duration) {
	f.limit.Store(int64(d))
	f.moved()
}

func (f *Flow) moved() {
	if f.ctx.Err() == nil {
		f.timer.Reset(time.Duration(f.limit.Load()))
	}
}

// Close ends the request if it has not ended.
func (f *Flow) Close() {
	f.timer.Stop()
	f.cancel(context.Canceled)
}

// Watch returns a reader of r whose progress counts.
func (f *Flow) Watch(r io.Reader) io.Reader { return &watched{f, r} }

type watched struct {
	flow *Flow
	io.Reader
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if n > 0 {
		w.flow.moved()
	}
	return n, err
}

// Send sends the request and returns the stream that answers it. An answer that is no stream is an error like those of Call.
func (f *Flow) Send(send func(ctx context.Context) (*http.Response, error)) (io.ReadCloser, error) {
	response, err := send(f.ctx)
	if err != nil {
		return nil, f.failed(err, false)
	}
	f.moved()
	media, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if response.StatusCode == http.StatusOK && media == ndjson {
		return &streamed{f, response.Body}, nil
	}
	defer response.Body.Close()
	answer, err := read(f.ctx, response)
	if err == nil { // JSON where a stream should be
		err = &Failure{Status: answer.Status, Media: media}
	}
	return nil, f.conn.known(err, false)
}

func (f *Flow) failed(err error, midway bool) error {
	return f.conn.known(&Failure{Err: cause(f.ctx, err), Midway: midway}, false)
}

// streamed is the body of an answer.
type streamed struct {
	flow *Flow
	io.ReadCloser
}

// Read is io.Reader; what breaks off is a *Failure.
func (s *streamed) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if n > 0 {
		s.flow.moved()
	}
	if err != nil && err != io.EOF { //nolint:errorlint // readers return it as it is
		err = s.flow.failed(err, true)
	}
	return n, err
}
