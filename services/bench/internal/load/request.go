package load

import (
	"encoding/base64"
	"net/url"
	"strconv"
)

// AppendGet appends a GET request. Headers are whole lines without their end, such as "Accept: text/html".
func AppendGet(dst []byte, host, target string, headers ...string) []byte {
	return append(head(dst, "GET", host, target, headers), "\r\n"...)
}

// AppendForm appends a POST of a form that is encoded already.
func AppendForm(dst []byte, host, target, form string, headers ...string) []byte {
	return post(dst, host, target, "application/x-www-form-urlencoded", form, headers)
}

// AppendJSON appends a POST of a JSON text.
func AppendJSON(dst []byte, host, target, body string, headers ...string) []byte {
	return post(dst, host, target, "application/json", body, headers)
}

// AppendPatch appends a PATCH of a JSON text.
func AppendPatch(dst []byte, host, target, body string, headers ...string) []byte {
	return content(dst, "PATCH", host, target, "application/json", body, headers)
}

func post(dst []byte, host, target, contentType, body string, headers []string) []byte {
	return content(dst, "POST", host, target, contentType, body, headers)
}

func content(dst []byte, method, host, target, contentType, body string, headers []string) []byte {
	dst = head(dst, method, host, target, headers)
	dst = append(dst, "Content-Type: "...)
	dst = append(dst, contentType...)
	dst = append(dst, "\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	dst = append(dst, "\r\n\r\n"...)
	return append(dst, body...)
}

func head(dst []byte, method, host, target string, headers []string) []byte {
	dst = append(dst, method...)
	dst = append(dst, ' ')
	dst = append(dst, target...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, host...)
	dst = append(dst, "\r\n"...)
	for _, h := range headers {
		dst = append(dst, h...)
		dst = append(dst, "\r\n"...)
	}
	return dst
}

// Basic returns the header line of client_secret_basic (RFC 6749 §2.3.1: both parts are form-encoded first).
func Basic(id, secret string) string {
	pair := url.QueryEscape(id) + ":" + url.QueryEscape(secret)
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
}

// Bearer returns the header line that presents an access token (RFC 6750 §2.1).
func Bearer(token string) string { return "Authorization: Bearer " + token }
