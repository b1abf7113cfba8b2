// Package pages renders what people see: sign-in, consent, errors, the logout question, and the form that carries an
// answer to a client.
//
// Every page is one HTML document without references to anything else: the style is inside and allowed by its hash, there
// is no script but the one line that submits an answer, and every page works without it. Scripts of users rely on the
// elements' ids and names.
package pages
