// Package demo makes the demonstration domain of the development binary: a domain with a user, a web application and a
// service application. It uses the management API as any user would, and keeps what it was given in a file.
package demo
