// Package browser is what the endpoints that people see have in common: the session cookie, forms that only the browser
// they were made for can send, errors that travel in a page's query, and the way back to the client.
//
// Nothing is stored before somebody signs in. The cookie of a visitor is random and begins with `v`; the gateway never
// looks for a session behind it, so a value that was known before sign-in cannot become a signed-in one. What a page must
// recognise later (a form's token, an error) is an HMAC with the domain's secret and the cookie's value.
package browser
