package endpoint

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"github.com/gatehouse-am/gatehouse/pkg/oauth2"
)

// MaxForm is the largest form body in bytes.
const MaxForm = 256 << 10

// Content types of forms.
const (
	urlencoded = "application/x-www-form-urlencoded"
	multiparts = "multipart/form-data"
)

// Params returns the query and form parameters of a request together; the body counts in a POST only. A repeated
// parameter, a body over MaxForm and a body that is neither urlencoded nor multipart form data are invalid_request; an
// empty body needs no Content-Type.
func Params(w http.ResponseWriter, r *http.Request) (oauth2.Params, error) {
	if r.Method != http.MethodPost {
		return oauth2.ParseParams(r.URL.RawQuery, "")
	}
	kind := r.Header.Get("Content-Type")
	if kind != urlencoded { // the usual spelling needs no parser
		kind, _, _ = mime.ParseMediaType(kind)
	}
	if r.ContentLength > MaxForm {
		w.Header().Set("Connection", "close") // the body is not read
		return oauth2.Params{}, tooLarge(nil)
	}
	if r.ContentLength < 0 || kind == multiparts {
		r.Body = http.MaxBytesReader(w, r.Body, MaxForm)
	}
	if kind == multiparts {
		return readMultipart(r)
	}
	body, err := readBody(r)
	switch {
	case err != nil:
		return oauth2.Params{}, bodyError(err)
	case body != "" && kind != urlencoded:
		return oauth2.Params{}, oauth2.InvalidRequest.Errorf("Unsupported Content-Type")
	}
	return oauth2.ParseParams(r.URL.RawQuery, body)
}

// IsForm reports whether a request says that its body is a form.
func IsForm(r *http.Request) bool {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return kind == urlencoded || kind == multiparts
}

// IsURLEncoded reports whether a request says that its body is form-encoded.
func IsURLEncoded(r *http.Request) bool {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return kind == urlencoded
}

// readBody reads a body whose length, where it is known, has been checked.
func readBody(r *http.Request) (string, error) {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		return "", nil
	}
	var b strings.Builder
	if r.ContentLength > 0 {
		b.Grow(int(r.ContentLength))
		// io.Copy would take a buffer of its own.
		var part [1024]byte
		for {
			n, err := r.Body.Read(part[:])
			b.Write(part[:n])
			if errors.Is(err, io.EOF) {
				return b.String(), nil
			}
			if err != nil {
				return "", err
			}
		}
	}
	_, err := io.Copy(&b, r.Body)
	return b.String(), err
}

// readMultipart reads the fields of a form; files are left out.
func readMultipart(r *http.Request) (oauth2.Params, error) {
	reader, err := r.MultipartReader()
	if err != nil {
		return oauth2.Params{}, bodyError(err)
	}
	fields := url.Values{}
	for {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return oauth2.Params{}, bodyError(err)
		}
		if err := readField(fields, part); err != nil {
			return oauth2.Params{}, bodyError(err)
		}
	}
	return oauth2.ParseParams(r.URL.RawQuery, fields.Encode())
}

func readField(fields url.Values, part *multipart.Part) error {
	if part.FormName() == "" || part.FileName() != "" {
		_, err := io.Copy(io.Discard, part)
		return err
	}
	value, err := io.ReadAll(part)
	if err == nil {
		fields.Add(part.FormName(), string(value))
	}
	return err
}

func bodyError(err error) error {
	var limit *http.MaxBytesError
	if errors.As(err, &limit) {
		return tooLarge(err)
	}
	return oauth2.InvalidRequest.Errorf("The request body cannot be read").WithCause(err)
}

func tooLarge(cause error) error {
	return oauth2.InvalidRequest.Errorf("The request body is larger than %d bytes", MaxForm).WithCause(cause)
}
