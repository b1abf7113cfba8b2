package serve

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
)

// LimitBody bounds the body of every request to limit bytes. A request that announces more is answered by tooLarge, or
// with a bare 413 if that is nil; one that sends more without saying makes reading fail with an error for which
// [TooLarge] holds.
func LimitBody(next http.Handler, limit int64, tooLarge http.Handler) http.Handler {
	if tooLarge == nil {
		tooLarge = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, http.StatusText(http.StatusRequestEntityTooLarge), http.StatusRequestEntityTooLarge)
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > limit {
			w.Header().Set("Connection", "close") // the body is not read
			tooLarge.ServeHTTP(w, r)
			return
		}
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = http.MaxBytesReader(w, r.Body, limit)
		}
		next.ServeHTTP(w, r)
	})
}

// TooLarge reports whether reading a body failed because of [LimitBody].
func TooLarge(err error) bool {
	var limit *http.MaxBytesError
	return errors.As(err, &limit)
}

// Recover answers a panic of next with answer, or with a bare 500 if that is nil, and logs it once with its stack, which
// the client never sees. If the answer had begun already the connection is broken off, because the client could not tell
// a half answer from a whole one. A deliberate [http.ErrAbortHandler] passes through.
func Recover(next http.Handler, log *slog.Logger, answer http.Handler) http.Handler {
	if answer == nil {
		answer = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		watch := &begun{ResponseWriter: w}
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(http.ErrAbortHandler)
			}
			log.ErrorContext(r.Context(), "handler panicked",
				"method", r.Method, "path", r.URL.Path, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			if watch.yes {
				panic(http.ErrAbortHandler)
			}
			clear(w.Header())
			answer.ServeHTTP(w, r)
		}()
		next.ServeHTTP(watch, r)
	})
}

// begun notes whether an answer has begun.
type begun struct {
	http.ResponseWriter
	yes bool
}

func (b *begun) WriteHeader(status int) {
	b.yes = b.yes || status >= 200
	b.ResponseWriter.WriteHeader(status)
}

func (b *begun) Write(p []byte) (int, error) {
	b.yes = true
	return b.ResponseWriter.Write(p)
}

func (b *begun) Flush() {
	b.yes = true
	_ = http.NewResponseController(b.ResponseWriter).Flush()
}

// Unwrap lets [http.ResponseController] reach the writer below.
func (b *begun) Unwrap() http.ResponseWriter { return b.ResponseWriter }
