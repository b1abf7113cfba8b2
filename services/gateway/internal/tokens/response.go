package tokens

import (
	"strconv"
	"time"
)

// Size is roughly the length of the answer in bytes.
func (r *Response) Size() int {
	return 256 + len(r.AccessToken) + len(r.RefreshToken) + len(r.IDToken) + 32*len(r.Scopes)
}

// AppendJSON appends the answer as the token endpoint sends it. token_type is in lower case, as existing clients of the
// compatible profile compare it.
func (r *Response) AppendJSON(b []byte) []byte {
	b = append(b, `{"access_token":`...)
	b = appendString(b, r.AccessToken)
	if r.Issued != "" {
		b = append(b, `,"issued_token_type":"`...)
		b = append(append(b, r.Issued...), '"')
	}
	b = append(b, `,"token_type":"`...)
	b = append(b, r.tokenType()...)
	b = append(b, `","expires_in":`...)
	b = strconv.AppendInt(b, int64(r.ExpiresIn/time.Second), 10)
	if len(r.Scopes) > 0 {
		b = append(b, `,"scope":`...)
		b = appendScopes(b, r.Scopes)
	}
	if r.RefreshToken != "" {
		b = append(b, `,"refresh_token":`...)
		b = appendString(b, r.RefreshToken)
	}
	if r.IDToken != "" {
		b = append(b, `,"id_token":`...)
		b = appendString(b, r.IDToken)
	}
	return append(b, '}')
}
